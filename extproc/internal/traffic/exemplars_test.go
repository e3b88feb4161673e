package traffic

import (
	"strings"
	"testing"
)

func TestExemplars(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for header, want := range map[string]string{
		"00-" + id + "-00f067aa0ba902b7-01":                      id,
		"00-" + id + "-00f067aa0ba902b7-01-more":                 id,
		"00-" + id + "-00f067aa0ba902b7-03":                      id,
		"00-" + id + "-00f067aa0ba902b7-00":                      "",
		"00-" + id + "-00f067aa0ba902b7-0x":                      "",
		"00-" + id + "-00f067aa0ba902b7001":                      "",
		"":                                                       "",
		"00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01":     "",
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": "",
		"00-" + id + "x00f067aa0ba902b7-01":                      "",
		strings.Repeat("x", 4096):                                "",
		"00-\"}\n" + id[4:] + "-00f067aa0ba902b7-01":             "",
	} {
		if got := traceOf(header); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
	m := newMeter()
	traced := call("echo")
	traced.trace = "00-" + id + "-00f067aa0ba902b7-01"
	m.take(traced)
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "mooring_request_duration_seconds" {
			continue
		}
		for _, bucket := range family.GetMetric()[0].GetHistogram().GetBucket() {
			if e := bucket.GetExemplar(); e != nil && e.GetLabel()[0].GetValue() == id {
				return
			}
		}
	}
	t.Error("no exemplar has the trace")
}
