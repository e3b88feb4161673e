package accesslog

import (
	"context"

	logsservicev1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Numbers of the fields that lead from an export to the line of a request, by
// opentelemetry/proto/logs/v1/logs.proto.
const (
	exportResource protowire.Number = 1
	resourceScope  protowire.Number = 2
	scopeRecord    protowire.Number = 2
	recordStart    protowire.Number = 1
	recordBody     protowire.Number = 5
	recordTrace    protowire.Number = 9
	recordSpan     protowire.Number = 10
	bodyText       protowire.Number = 1
)

// logsService is OpenTelemetry's service of logs. Envoy writes into a line what
// clients sent, which may be no UTF-8, and gRPC would refuse all lines that came
// together with it: so nothing is decoded before Export does.
func logsService() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: logsservicev1.LogsService_ServiceDesc.ServiceName,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Export",
			Handler: func(server any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				// A message without fields keeps all as it came.
				message := new(emptypb.Empty)
				if err := decode(message); err != nil {
					return nil, err
				}
				return server.(*Server).Export(message.ProtoReflect().GetUnknown())
			},
		}},
	}
}

// Export takes the lines of an export of OpenTelemetry, as they came. Those that are none are rejected, which
// Envoy counts.
func (s *Server) Export(message []byte) (*logsservicev1.ExportLogsServiceResponse, error) {
	rejected := int64(0)
	ok := within(message, []protowire.Number{exportResource, resourceScope, scopeRecord}, func(message []byte) bool {
		r, ok := recordOf(message)
		if !ok {
			return false
		}
		entry, ok := entryOf(r)
		if !ok {
			rejected++
			return true
		}
		s.requests.Take(&entry)
		return true
	})
	if !ok {
		return nil, status.Error(codes.InvalidArgument, "the export cannot be read")
	}
	answer := new(logsservicev1.ExportLogsServiceResponse)
	if rejected > 0 {
		answer.PartialSuccess = &logsservicev1.ExportLogsPartialSuccess{RejectedLogRecords: rejected, ErrorMessage: "not a line of this log"}
	}
	return answer, nil
}

// within calls do for each message that the path of fields leads to. It is false
// where the message cannot be read, or do is.
func within(message []byte, path []protowire.Number, do func([]byte) bool) bool {
	if len(path) == 0 {
		return do(message)
	}
	return eachField(message, func(number protowire.Number, kind protowire.Type, value []byte) bool {
		return number != path[0] || kind != protowire.BytesType || within(value, path[1:], do)
	})
}

// record is what a record of an export has: the line of a request and, which Envoy
// adds by itself, when it began, in nanoseconds, and the ids of its span.
type record struct {
	start uint64
	line  string
	trace TraceID
	span  SpanID
}

// recordOf reads a record. It is false where that cannot be read.
func recordOf(message []byte) (r record, ok bool) {
	ok = eachField(message, func(number protowire.Number, kind protowire.Type, value []byte) bool {
		switch {
		case number == recordStart && kind == protowire.Fixed64Type:
			r.start, _ = protowire.ConsumeFixed64(value)
		case number == recordTrace && kind == protowire.BytesType:
			copy(r.trace[:], value)
		case number == recordSpan && kind == protowire.BytesType:
			copy(r.span[:], value)
		case number == recordBody && kind == protowire.BytesType:
			return eachField(value, func(number protowire.Number, kind protowire.Type, value []byte) bool {
				if number == bodyText && kind == protowire.BytesType {
					r.line = string(value)
				}
				return true
			})
		}
		return true
	})
	return r, ok
}

// eachField calls do for each field of a message. Of fields that have a length,
// value is what it is the length of.
func eachField(message []byte, do func(number protowire.Number, kind protowire.Type, value []byte) bool) bool {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return false
		}
		value := message[tag : tag+size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		if !do(number, kind, value) {
			return false
		}
		message = message[tag+size:]
	}
	return true
}
