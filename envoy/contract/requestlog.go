package contract

import "strings"

// LogSeparator stands between the fields of a line of LogRequests. Envoy refuses
// requests with it in a head, or in a path; tokens with it in their subject are
// refused by authn; and what the external processor tells has none, see Judged.
const LogSeparator = "\x1f"

// LogAbsent is what Envoy writes for what it does not know. No field has it as a
// value: paths begin with a slash or a scheme, routes have one within, hashes are
// hexadecimal, and a Judged is longer. A request id that a client chose, which
// Envoy shows only of requests that it refuses at once, can be it, and is none.
// LogTokenSubject can be it too: it is absent where LogTokenSession is.
const LogAbsent = "-"

// LogField is the place of a field in a line of LogRequests, counted from zero.
type LogField int

// The fields, in order. The last may hold LogSeparator without harm: it goes on
// to the line's end.
const (
	// LogKind is LogKindOpen, or another kind where the request has ended.
	LogKind LogField = iota
	// LogID is the request's id.
	LogID
	// LogRoute is the name of the route that was taken.
	LogRoute
	// LogMethod is the HTTP method, as the client wrote it.
	LogMethod
	// LogPath is the path without its query, as it went on.
	LogPath
	// LogTraceparent is the beginning of the first such header: its trace id and
	// what shows that it is one.
	LogTraceparent
	// LogStatus is the status of the answer, or 0.
	LogStatus
	// LogFlags are Envoy's short names of what went wrong, separated by commas.
	LogFlags
	// LogDetails is Envoy's word for who answered, and why.
	LogDetails
	// LogDuration is the time to the answer's last byte, in nanoseconds; absent
	// where there was none.
	LogDuration
	// LogOpenFor is the time to the end of the request, in milliseconds.
	LogOpenFor
	// The sizes of heads and bodies, in bytes.
	LogRequestHead
	LogRequestBody
	LogResponseHead
	LogResponseBody
	// LogSource is the address of the client.
	LogSource
	// LogUpstream is the address of the server that the request went on to.
	LogUpstream
	// LogJudged is a Judged, absent where the external processor told nothing.
	LogJudged
	// What the session's token says, where Envoy has verified one.
	LogTokenSession
	LogTokenPrincipal
	LogTokenIssuer
	LogTokenSubject

	// LogFieldCount is how many fields a line has.
	LogFieldCount
)

// LogKindOpen is the LogKind of a request that has not ended yet.
const LogKindOpen = "DownstreamPeriodic"

// LogFormats are Envoy's formats of the fields of a line, in order.
func LogFormats() [LogFieldCount]string {
	token := func(claim string) string {
		return "%DYNAMIC_METADATA(" + FilterJWT + ":" + MetadataSessionToken + ":" + claim + ")%"
	}
	return [...]string{
		LogKind:           "%ACCESS_LOG_TYPE%",
		LogID:             "%STREAM_ID%",
		LogRoute:          "%ROUTE_NAME%",
		LogMethod:         "%REQ(:METHOD)%",
		LogPath:           "%PATH(NQ:PATH)%",
		LogTraceparent:    "%REQ(" + HeaderTrace + "):55%",
		LogStatus:         "%RESPONSE_CODE%",
		LogFlags:          "%RESPONSE_FLAGS%",
		LogDetails:        "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%",
		LogDuration:       "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ns)%",
		LogOpenFor:        "%DURATION%",
		LogRequestHead:    "%REQUEST_HEADERS_BYTES%",
		LogRequestBody:    "%BYTES_RECEIVED%",
		LogResponseHead:   "%RESPONSE_HEADERS_BYTES%",
		LogResponseBody:   "%BYTES_SENT%",
		LogSource:         "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
		LogUpstream:       "%UPSTREAM_REMOTE_ADDRESS%",
		LogJudged:         "%DYNAMIC_METADATA(" + MetadataNamespace + ":" + MetadataJudged + ")%",
		LogTokenSession:   token(ClaimSessionHash),
		LogTokenPrincipal: token(ClaimPrincipalHash),
		LogTokenIssuer:    token(ClaimIssuer),
		LogTokenSubject:   token(ClaimSubject),
	}
}

// LogLine is Envoy's format of a line of LogRequests.
func LogLine() string {
	formats := LogFormats()
	return strings.Join(formats[:], LogSeparator)
}

// SplitLog takes a line apart. It is false where the line has too few fields.
func SplitLog(line string) (fields [LogFieldCount]string, ok bool) {
	for i := range fields[:LogFieldCount-1] {
		if fields[i], line, ok = strings.Cut(line, LogSeparator); !ok {
			return fields, false
		}
	}
	fields[LogFieldCount-1] = line
	return fields, true
}
