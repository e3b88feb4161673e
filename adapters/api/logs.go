package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxLogLines is the most lines that a request for logs begins with.
const maxLogLines = 10000

// logs is GET /adapters/{name}/logs: the newest lines of one replica, and with
// follow=true those to come, until the client goes.
func (a *api) logs(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	found, err := a.readable(r, p)
	if err != nil {
		return err
	}
	opt, err := logOptions(r.URL.Query())
	if err != nil {
		return err
	}
	opt.Follow = opt.Follow && r.Method != http.MethodHead
	out := &logWriter{w: w, controller: http.NewResponseController(w), follow: opt.Follow}
	if opt.Follow && a.hasInstance(found, opt.Instance) {
		// A log without lines yet is answered at once all the same.
		if err := out.flush(); err != nil {
			return err
		}
	}
	err = a.Service.Logs(r.Context(), found, opt, out)
	switch {
	case errors.Is(err, adapters.ErrNotFound):
		return &problem{status: http.StatusNotFound, detail: fmt.Sprintf("The adapter has no instance %d.", opt.Instance)}
	case errors.Is(err, adapters.ErrNoEarlierLog):
		return &problem{status: http.StatusNotFound, detail: fmt.Sprintf(
			"Instance %d has no log of an earlier server: none has ended in it, or its log, without previous, has the lines of all of them.", opt.Instance)}
	case r.Context().Err() != nil:
		return nil
	case err != nil:
		return err
	}
	out.begin()
	return nil
}

func (a *api) hasInstance(adapter adapters.Adapter, ordinal int) bool {
	return slices.ContainsFunc(a.Service.Status(adapter).Instances, func(i adapters.InstanceStatus) bool { return i.Instance == ordinal })
}

func logOptions(query url.Values) (adapters.LogOptions, error) {
	var opt adapters.LogOptions
	var err error
	if text := query.Get("instance"); text != "" {
		if opt.Instance, err = strconv.Atoi(text); err != nil || opt.Instance < 0 {
			return opt, badParameter("instance", "It must be the number of a replica, from 0.")
		}
	}
	if text := query.Get("lines"); text != "" {
		if opt.Lines, err = strconv.Atoi(text); err != nil || opt.Lines < 1 || opt.Lines > maxLogLines {
			return opt, badParameter("lines", fmt.Sprintf("It must be between 1 and %d.", maxLogLines))
		}
	}
	for name, value := range map[string]*bool{"follow": &opt.Follow, "previous": &opt.Previous} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		if *value, err = strconv.ParseBool(text); err != nil {
			return opt, badParameter(name, "It must be true or false.")
		}
	}
	if opt.Previous && opt.Follow {
		return opt, badParameter("previous", "It cannot be followed: the server has ended.")
	}
	return opt, nil
}

// logWriter begins the answer with the first line, so that what goes wrong
// before that is still answered as a problem.
type logWriter struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	follow     bool
	begun      bool
}

func (l *logWriter) begin() {
	if l.begun {
		return
	}
	l.begun = true
	l.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	l.w.Header().Set("Cache-Control", "no-store")
	l.w.WriteHeader(http.StatusOK)
}

func (l *logWriter) flush() error {
	l.begin()
	if err := l.controller.Flush(); err != nil {
		return fmt.Errorf("sending log: %w", err)
	}
	return nil
}

// Write implements io.Writer.
func (l *logWriter) Write(lines []byte) (int, error) {
	l.begin()
	n, err := l.w.Write(lines)
	if err == nil && l.follow {
		err = l.flush()
	}
	return n, err
}
