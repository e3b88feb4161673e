package contract

import "strings"

// Judged is what the external processor tells the log of a request. What is
// unknown, or does not apply, is empty.
type Judged struct {
	// Method and Tool are the message's, as the client wrote them.
	Method, Tool string
	// Listed is ListedYes or ListedNo, or empty where it is not known whether the
	// server has the tool.
	Listed string
	// Era is legacy or modern.
	Era string
	// Session and Principal are hashes, and Who is the Principal.ID of who asks:
	// for the audit alone.
	Session, Principal, Who string
	// Verdict is VerdictAllow or the reason of the refusal.
	Verdict string
	// Trace is the id of the trace that the message names, where that is not its
	// request's.
	Trace string
	// Span is the span of the request itself, a tracing.Request, where that is
	// recorded and Envoy makes none of its own.
	Span string
}

const (
	// judgedSeparator stands between the texts of an encoded Judged.
	judgedSeparator = "\x1e"
	// judgedSpecial are the characters that no text holds when it is encoded: each
	// is written as the first of them and a letter.
	judgedSpecial = "\x1d" + judgedSeparator + LogSeparator
	judgedTexts   = 10
)

func (j *Judged) texts() [judgedTexts]*string {
	return [...]*string{&j.Method, &j.Tool, &j.Listed, &j.Era, &j.Session, &j.Principal, &j.Who, &j.Verdict, &j.Trace, &j.Span}
}

// Encode is j as one text without LogSeparator, which is never LogAbsent.
func (j Judged) Encode() string {
	var out strings.Builder
	for i, text := range j.texts() {
		if i > 0 {
			out.WriteString(judgedSeparator)
		}
		if strings.ContainsAny(*text, judgedSpecial) {
			out.WriteString(strings.NewReplacer("\x1d", "\x1dd", "\x1e", "\x1de", "\x1f", "\x1df").Replace(*text))
			continue
		}
		out.WriteString(*text)
	}
	return out.String()
}

// DecodeJudged is the inverse of Encode. It is false for all else.
func DecodeJudged(text string) (Judged, bool) {
	parts := strings.Split(text, judgedSeparator)
	if len(parts) != judgedTexts {
		return Judged{}, false
	}
	var j Judged
	for i, to := range j.texts() {
		*to = parts[i]
		if strings.Contains(parts[i], "\x1d") {
			*to = strings.NewReplacer("\x1dd", "\x1d", "\x1de", "\x1e", "\x1df", "\x1f").Replace(parts[i])
		}
	}
	return j, true
}
