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
func requestLines(file string, f found) *accesslogv3.AccessLog {
	format := &corev3.SubstitutionFormatString{
		Format:          &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: lineFormat(f)},
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
func lineFormat(f found) *structpb.Struct {
	fields := map[string]*structpb.Value{}
	for key, format := range map[string]string{
		"time": "%START_TIME%", "level": "INFO", "msg": "request", logging.Part: "envoy",
		logging.RequestID: "%REQ(X-REQUEST-ID)%", logging.Adapter: f.format(contract.MetadataAdapter),
		logging.Principal: f.format(contract.MetadataPrincipal), logging.Session: f.format(contract.MetadataSession),
		logging.Method: f.format(contract.MetadataMethod), logging.Tool: f.format(contract.MetadataTool),
		logging.TraceID: "%TRACE_ID%", logging.SpanID: "%SPAN_ID%", "message_trace_id": f.format(contract.MetadataTrace),
		"era": f.format(contract.MetadataEra), "verdict": f.format(contract.MetadataVerdict),
		"http_method": "%REQ(:METHOD)%", "path": "%PATH(NQ)%", "route": "%ROUTE_NAME%",
		"status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "upstream": "%UPSTREAM_HOST%", "duration_ms": "%DURATION%",
		"bytes_received": "%BYTES_RECEIVED%", "bytes_sent": "%BYTES_SENT%",
	} {
		fields[key] = structpb.NewStringValue(format)
	}
	return &structpb.Struct{Fields: fields}
}
