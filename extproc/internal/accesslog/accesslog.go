// Package accesslog receives Envoy's access logs: that of requests that are
// counted as long as they are open, by Envoy's own protocol, and that of all
// requests, by OpenTelemetry's. It hands on what it gets, and knows nothing of
// what becomes of it.
package accesslog

import (
	"cmp"
	"errors"
	"io"

	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
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

// Requests are all requests. *traffic.Meter is one.
type Requests interface {
	// Take takes an entry, and does not wait. The entry is the caller's again
	// when it returns.
	Take(entry *Entry)
}

// Each hands entries on to each of several.
type Each []Requests

// Take implements Requests.
func (e Each) Take(entry *Entry) {
	for _, requests := range e {
		requests.Take(entry)
	}
}

// Server implements both services.
type Server struct {
	accesslogv3.UnimplementedAccessLogServiceServer
	leases   Leases
	requests Requests
	done     <-chan struct{}
}

// New makes a Server that tells leases and requests, until done is closed.
func New(leases Leases, requests Requests, done <-chan struct{}) *Server {
	return &Server{leases: leases, requests: requests, done: done}
}

// Register makes a gRPC server serve s.
func (s *Server) Register(with grpc.ServiceRegistrar) {
	accesslogv3.RegisterAccessLogServiceServer(with, s)
	with.RegisterService(logsService(), s)
}

// StreamAccessLogs implements Envoy's access log service. Envoy holds one stream for
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
	log := ""
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
			return nil
		}
		if err != nil {
			return err
		}
		// Only the first message of a stream says which log it is.
		log = cmp.Or(message.GetIdentifier().GetLogName(), log)
		if log != contract.LogOpen {
			continue
		}
		for _, entry := range message.GetHttpLogs().GetLogEntry() {
			s.open(entry.GetCommonProperties())
		}
	}
}

func (s *Server) open(entry *dataaccesslogv3.AccessLogCommon) {
	lease := entry.GetMetadata().GetFilterMetadata()[contract.MetadataNamespace].GetFields()[contract.MetadataLease].GetStringValue()
	switch {
	case lease == "":
	case entry.GetAccessLogType() == dataaccesslogv3.AccessLogType_DownstreamPeriodic:
		s.leases.Renew(lease)
	case entry.GetAccessLogType() == dataaccesslogv3.AccessLogType_DownstreamEnd:
		s.leases.End(lease)
	}
}
