package accesslog_test

import (
	"context"
	"errors"
	"io"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// leases notes what it is told.
type leases struct{ told []string }

func (l *leases) Renew(lease string) { l.told = append(l.told, "renew "+lease) }
func (l *leases) End(lease string)   { l.told = append(l.told, "end "+lease) }

// requests notes what it is told.
type requests struct{ told []accesslog.Entry }

func (r *requests) Take(e *accesslog.Entry) { r.told = append(r.told, *e) }

// stream plays Envoy.
type stream struct {
	grpc.ServerStream
	ctx context.Context
	in  []*accesslogv3.StreamAccessLogsMessage
	end error
}

func (s *stream) Context() context.Context                                 { return s.ctx }
func (s *stream) SendAndClose(*accesslogv3.StreamAccessLogsResponse) error { return nil }

func (s *stream) Recv() (*accesslogv3.StreamAccessLogsMessage, error) {
	if len(s.in) == 0 {
		if s.end != nil {
			return nil, s.end
		}
		<-s.ctx.Done()
		return nil, status.Error(codes.Canceled, "gone")
	}
	next := s.in[0]
	s.in = s.in[1:]
	return next, nil
}

func entry(kind dataaccesslogv3.AccessLogType, lease any) *dataaccesslogv3.HTTPAccessLogEntry {
	fields, err := structpb.NewStruct(map[string]any{contract.MetadataLease: lease})
	if err != nil {
		panic(err)
	}
	return &dataaccesslogv3.HTTPAccessLogEntry{CommonProperties: &dataaccesslogv3.AccessLogCommon{
		AccessLogType: kind,
		Metadata:      &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{contract.MetadataNamespace: fields}},
	}}
}

func message(entries ...*dataaccesslogv3.HTTPAccessLogEntry) *accesslogv3.StreamAccessLogsMessage {
	return &accesslogv3.StreamAccessLogsMessage{LogEntries: &accesslogv3.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &accesslogv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries},
	}}
}

// named begins a stream of the log of that name.
func named(log string) *accesslogv3.StreamAccessLogsMessage {
	return &accesslogv3.StreamAccessLogsMessage{Identifier: &accesslogv3.StreamAccessLogsMessage_Identifier{LogName: log}}
}

// TestTheOtherLogIsNotOfLeases: what a build before this one sends of all
// requests counts for nothing.
func TestTheOtherLogIsNotOfLeases(t *testing.T) {
	l, r := &leases{}, &requests{}
	err := accesslog.New(l, r, nil).StreamAccessLogs(&stream{ctx: t.Context(), end: io.EOF, in: []*accesslogv3.StreamAccessLogsMessage{
		named(contract.LogRequests),
		message(entry(dataaccesslogv3.AccessLogType_DownstreamEnd, "a"), entry(dataaccesslogv3.AccessLogType_DownstreamPeriodic, "b")),
	}})
	if err != nil || len(r.told) != 0 || len(l.told) != 0 {
		t.Errorf("requests %v, leases %v, error %v", r.told, l.told, err)
	}
}

func TestLeasesAreToldOf(t *testing.T) {
	broken := errors.New("broken")
	for end, want := range map[error]error{io.EOF: nil, status.Error(codes.Canceled, "gone"): nil, broken: broken} {
		l, r := &leases{}, &requests{}
		err := accesslog.New(l, r, nil).StreamAccessLogs(&stream{ctx: t.Context(), end: end, in: []*accesslogv3.StreamAccessLogsMessage{
			named(contract.LogOpen),
			message(entry(dataaccesslogv3.AccessLogType_DownstreamPeriodic, "a"), entry(dataaccesslogv3.AccessLogType_DownstreamEnd, "b")),
			message(&dataaccesslogv3.HTTPAccessLogEntry{}, entry(dataaccesslogv3.AccessLogType_DownstreamEnd, ""), entry(dataaccesslogv3.AccessLogType_DownstreamEnd, 1.0)),
			message(entry(dataaccesslogv3.AccessLogType_DownstreamStart, "c")),
		}})
		if diff := cmp.Diff([]string{"renew a", "end b"}, l.told); diff != "" || !errors.Is(err, want) {
			t.Errorf("%v: error %v (-want +got):\n%s", end, err, diff)
		}
	}
}

func TestStreamsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	close(done)
	if err := accesslog.New(&leases{}, &requests{}, done).StreamAccessLogs(&stream{ctx: ctx}); err != nil {
		t.Error(err)
	}
	cancel() // as gRPC does once the handler has returned
}
