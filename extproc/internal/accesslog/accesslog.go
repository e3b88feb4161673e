// Package accesslog receives Envoy's access log of requests that are counted as
// long as they are open, and says when they have ended. It knows nothing of why
// they are counted.
package accesslog

import (
	"errors"
	"io"

	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Leases are open requests. *limit.Limiter is one.
type Leases interface {
	// Renew says that the request is still open, and End that it has ended.
	Renew(lease string)
	End(lease string)
}

// Server implements the access log service.
type Server struct {
	accesslogv3.UnimplementedAccessLogServiceServer
	leases Leases
	done   <-chan struct{}
}

// New makes a Server that tells leases, until done is closed.
func New(leases Leases, done <-chan struct{}) *Server { return &Server{leases: leases, done: done} }

// StreamAccessLogs implements the access log service. Envoy holds one stream for
// each of its threads, for ever: here it is ended.
func (s *Server) StreamAccessLogs(stream accesslogv3.AccessLogService_StreamAccessLogsServer) error {
	ended := make(chan error, 1)
	// To return ends the stream, and with it this.
	go func() { ended <- s.receive(stream) }()
	select {
	case err := <-ended:
		return err
	case <-s.done:
		return nil
	}
}

func (s *Server) receive(stream accesslogv3.AccessLogService_StreamAccessLogsServer) error {
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
			return nil
		}
		if err != nil {
			return err
		}
		for _, entry := range message.GetHttpLogs().GetLogEntry() {
			s.take(entry.GetCommonProperties())
		}
	}
}

func (s *Server) take(entry *dataaccesslogv3.AccessLogCommon) {
	lease := entry.GetMetadata().GetFilterMetadata()[contract.MetadataNamespace].GetFields()[contract.MetadataLease].GetStringValue()
	switch {
	case lease == "":
	case entry.GetAccessLogType() == dataaccesslogv3.AccessLogType_DownstreamPeriodic:
		s.leases.Renew(lease)
	case entry.GetAccessLogType() == dataaccesslogv3.AccessLogType_DownstreamEnd:
		s.leases.End(lease)
	}
}
