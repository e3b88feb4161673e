package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	probeTimeout = 2 * time.Second
	// Probes are frequent while somebody waits for the first answer.
	probeStarting = 50 * time.Millisecond
	probeFailed   = 500 * time.Millisecond
	probeReady    = 2 * time.Second
	// silenceLimit is how long a bridge may not answer before it is shown as
	// failed. After four times that it is killed, and started again.
	silenceLimit = 15 * time.Second
	maxProbeBody = 64 << 10

	reasonStarting = "Starting"
)

// health is how a replica is, in the words of adapters.Instance.
type health struct {
	state           adapters.InstanceState
	reason, message string
	// restarts is how often the bridge started its server anew, failed tries
	// included. It counts from the bridge's own start.
	restarts int
	// tools are the names of the server's tools. Nil means that they are not known.
	tools []string
	// hung: the bridge has not answered for so long that it never will.
	hung bool
}

// starting is the health of a bridge that has not answered. before says how the
// one before it ended, or is empty.
func starting(before string) health {
	h := health{state: adapters.InstanceStarting, reason: reasonStarting, message: "The bridge is being started."}
	if before != "" {
		h.message = "The bridge is being started again. " + before
	}
	return h
}

func queued() health {
	return health{state: adapters.InstanceStarting, reason: "Queued", message: "It waits until others have started."}
}

func failed(reason, message string) health {
	return health{state: adapters.InstanceFailed, reason: reason, message: message}
}

func draining() health {
	return health{state: adapters.InstanceDraining, reason: "Draining", message: "It keeps its sessions and takes no new ones."}
}

func stopping() health {
	return health{state: adapters.InstanceDraining, reason: "Stopping", message: "It is being stopped."}
}

// prober asks one bridge how it is.
type prober struct {
	client http.Client
}

func newProber(socket string) *prober {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &prober{client: http.Client{
		Transport: &http.Transport{DialContext: dial, MaxIdleConns: 1, DisableCompression: true},
		Timeout:   probeTimeout,
		// A redirect would be dialled at the same socket; nothing sends one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// probe asks once. It is an error when there is no answer that means anything.
func (p *prober) probe(ctx context.Context) (health, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bridge/readyz", nil)
	if err != nil {
		return health{}, fmt.Errorf("asking the bridge: %w", err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return health{}, fmt.Errorf("asking the bridge: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProbeBody))
	if err != nil {
		return health{}, fmt.Errorf("reading the bridge's answer: %w", err)
	}
	return parseHealth(body)
}

func parseHealth(body []byte) (health, error) {
	var answer struct {
		State, Reason, Message string
		Restarts               int
		Tools                  []string
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return health{}, fmt.Errorf("reading the bridge's answer: %w", err)
	}
	h := health{state: adapters.InstanceState(answer.State), reason: answer.Reason, message: answer.Message, restarts: max(0, answer.Restarts), tools: answer.Tools}
	switch h.state {
	case adapters.InstanceReady:
		h.reason, h.message = "", ""
	case adapters.InstanceStarting, adapters.InstanceFailed, adapters.InstanceDraining:
	default:
		return health{}, errors.New("the bridge's answer has no known state")
	}
	return h, nil
}

// watch probes until ctx ends, and sends each answer, and once no answer has come
// for longer than silence, that.
func (p *prober) watch(ctx context.Context, silence time.Duration, answers chan<- health) {
	defer p.client.CloseIdleConnections()
	heard := time.Now()
	for {
		h, err := p.probe(ctx)
		pause := probeStarting
		switch {
		case err == nil:
			heard = time.Now()
			pause = h.pause()
		case time.Since(heard) > silence:
			h = failed("BridgeUnresponsive", "The bridge runs, but does not answer.")
			h.hung = time.Since(heard) > 4*silence
			pause = h.pause()
		}
		if h.state != "" {
			select {
			case answers <- h:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// pause is how long the answer may be taken to hold.
func (h health) pause() time.Duration {
	switch h.state {
	case adapters.InstanceStarting:
		return probeStarting
	case adapters.InstanceReady:
		return probeReady
	}
	return probeFailed
}

// died says how a bridge ended, with its last words.
func died(how, dir string) string {
	message := fmt.Sprintf("The bridge ended: %s.", how)
	const last = 2 << 10
	f, err := os.Open(filepath.Join(dir, crashLogName))
	if err != nil {
		return message
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > last {
		_, _ = f.Seek(-last, io.SeekEnd) // the beginning does as well
	}
	words, err := io.ReadAll(io.LimitReader(f, last))
	if text := strings.TrimSpace(strings.ToValidUTF8(string(words), "")); err == nil && text != "" {
		message += " Its last words: " + text
	}
	return message
}
