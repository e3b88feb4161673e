// Package accesslog receives Envoy's access logs: that of requests that are
// counted as long as they are open, and that of all requests. It hands on what
// it gets, and knows nothing of what becomes of it.
package accesslog

import (
	"cmp"
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

// Requests are all requests. *traffic.Meter is one.
type Requests interface {
	// Take takes an entry, and does not wait.
	Take(entry *dataaccesslogv3.HTTPAccessLogEntry)
}

// Each hands entries on to each of several.
type Each []Requests

// Take implements Requests.
func (e Each) Take(entry *dataaccesslogv3.HTTPAccessLogEntry) {
	for _, requests := range e {
		requests.Take(entry)
	}
}

// Server implements the access log service.
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
		for _, entry := range message.GetHttpLogs().GetLogEntry() {
			switch log {
			case contract.LogRequests:
				s.requests.Take(entry)
			case contract.LogOpen:
				s.open(entry.GetCommonProperties())
			}
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
