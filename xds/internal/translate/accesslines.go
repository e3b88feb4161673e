package translate

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	fileaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// standardOutput is the file that is Envoy's standard output.
const standardOutput = "-"

// requestLines writes a line for each request that has ended, with the keys of the
// programs' logs. Envoy collects lines and writes them in a thread of its own.
func requestLines(file string) *accesslogv3.AccessLog {
	format := &corev3.SubstitutionFormatString{
		Format:          &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: lineFormat()},
		OmitEmptyValues: true,
	}
	if file == standardOutput {
		return &accesslogv3.AccessLog{
			Name: "envoy.access_loggers.stdout",
			ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&streamaccesslogv3.StdoutAccessLog{
				AccessLogFormat: &streamaccesslogv3.StdoutAccessLog_LogFormat{LogFormat: format},
			})},
		}
	}
	return &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.file",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&fileaccesslogv3.FileAccessLog{
			Path: file, AccessLogFormat: &fileaccesslogv3.FileAccessLog_LogFormat{LogFormat: format},
		})},
	}
}

// lineFormat chooses what is told: never a query, a credential or whole metadata.
func lineFormat() *structpb.Struct {
	found := func(key string) string { return "%DYNAMIC_METADATA(" + contract.MetadataNamespace + ":" + key + ")%" }
	fields := map[string]*structpb.Value{}
	for key, format := range map[string]string{
		"time": "%START_TIME%", "level": "INFO", "msg": "request", logging.Part: "envoy",
		logging.RequestID: "%REQ(X-REQUEST-ID)%", logging.Adapter: found(contract.MetadataAdapter),
		logging.Principal: found(contract.MetadataPrincipal), logging.Session: found(contract.MetadataSession),
		logging.Method: found(contract.MetadataMethod), logging.Tool: found(contract.MetadataTool),
		logging.TraceID: "%TRACE_ID%", logging.SpanID: "%SPAN_ID%", "message_trace_id": found(contract.MetadataTrace),
		"era": found(contract.MetadataEra), "verdict": found(contract.MetadataVerdict),
		"http_method": "%REQ(:METHOD)%", "path": "%PATH(NQ)%", "route": "%ROUTE_NAME%",
		"status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "duration_ms": "%DURATION%",
		"bytes_received": "%BYTES_RECEIVED%", "bytes_sent": "%BYTES_SENT%",
	} {
		fields[key] = structpb.NewStringValue(format)
	}
	return &structpb.Struct{Fields: fields}
}
