package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

const (
	defaultLines = 500
	// maxText bounds what is kept of a log for its newest lines, in bytes.
	maxText = 4 << 20
	// maxLine is how much of a line is held back until its end is written.
	maxLine = 64 << 10
	// followPause is how often a replica without a log to follow is looked at.
	followPause = 500 * time.Millisecond
	// successor is how long a pod's successor is waited for.
	successor = 15 * time.Second
)

// Logs implements adapters.Deployer. Where the server was started anew in its
// pod, the log of the one before comes first, as far as there are lines left.
// While a replica is being replaced, the log is that of its successor. One that
// has no pod yet can be followed.
func (d *Deployer) Logs(ctx context.Context, id adapters.UID, opt adapters.LogOptions, w io.Writer) error {
	pod, err := d.newest(ctx, id, opt.Instance)
	if err != nil {
		return err
	}
	if pod == nil && !(opt.Follow && d.expected(id, opt.Instance)) {
		return fmt.Errorf("replica %d: %w", opt.Instance, adapters.ErrNotFound)
	}
	if opt.Lines <= 0 {
		opt.Lines = defaultLines
	}
	r := &reader{d: d, w: w, mask: d.masks.of(ctx, id)}
	if opt.Previous {
		return r.earlier(ctx, pod, opt)
	}
	if pod != nil {
		if err := r.newestLines(ctx, pod, opt); err != nil || !opt.Follow {
			return err
		}
	}
	return r.follow(ctx, pod, id, opt)
}

// expected reports whether there is to be such a replica, though it may have no
// pod yet.
func (d *Deployer) expected(id adapters.UID, ordinal int) bool {
	return slices.ContainsFunc(d.Instances()[id], func(i adapters.Instance) bool { return i.Ordinal == ordinal })
}

// newest is the pod at that ordinal that was made last, those that are ending
// left to the end; nil where there is none.
func (d *Deployer) newest(ctx context.Context, id adapters.UID, ordinal int) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := d.cfg.Cache.List(ctx, &pods, client.InNamespace(d.cfg.Namespace), client.MatchingLabels{objects.LabelUID: string(id)})
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	var found *corev1.Pod
	for i := range pods.Items {
		pod := &pods.Items[i]
		if n, ok := objects.PodOrdinal(pod); !ok || n != ordinal {
			continue
		}
		if found == nil || found.CreationTimestamp.Before(&pod.CreationTimestamp) {
			found = pod
		}
	}
	return found, nil
}

// reader writes logs of pods to w, without secrets.
type reader struct {
	d    *Deployer
	w    io.Writer
	mask *mask.Mask
}

// newestLines writes the newest lines of the pod's server, and before them those
// of the server before it. Where the log is followed, the stream has the first.
func (r *reader) newestLines(ctx context.Context, pod *corev1.Pod, opt adapters.LogOptions) error {
	text, err := r.text(ctx, pod, opt.Lines, false)
	if err != nil {
		return err
	}
	var before []byte
	if missing := opt.Lines - bytes.Count(text, []byte{'\n'}); missing > 0 && restarted(pod) {
		if before, err = r.text(ctx, pod, missing, true); err != nil {
			return err
		}
	}
	if bytes.Equal(before, text) || opt.Follow {
		// While no server runs, both are of the one before.
		text = nil
	}
	if opt.Follow && !runs(pod) {
		return nil
	}
	if _, err := io.WriteString(r.w, r.mask.String(string(append(before, text...)))); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	return nil
}

// earlier writes the newest lines of the server before the pod's present one.
func (r *reader) earlier(ctx context.Context, pod *corev1.Pod, opt adapters.LogOptions) error {
	none := fmt.Errorf("replica %d: %w", opt.Instance, adapters.ErrNoEarlierLog)
	if !restarted(pod) {
		return none
	}
	text, err := r.text(ctx, pod, opt.Lines, true)
	if err != nil {
		return err
	}
	if text == nil {
		return none // its node has removed it
	}
	if _, err := io.WriteString(r.w, r.mask.String(string(text))); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	return nil
}

func restarted(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == objects.Container {
			return c.RestartCount > 0
		}
	}
	return false
}

// text is the end of a log; nil where there is none yet, or any more.
func (r *reader) text(ctx context.Context, pod *corev1.Pod, lines int, previous bool) ([]byte, error) {
	newest := int64(lines)
	stream, err := r.open(ctx, pod, corev1.PodLogOptions{TailLines: &newest, Previous: previous})
	if err != nil || stream == nil {
		return nil, err
	}
	defer stream.Close()
	text, err := tail(stream, maxText, r.mask.Longest())
	if err != nil {
		return nil, fmt.Errorf("reading the log of pod %s: %w", pod.Name, err)
	}
	return text, nil
}

// open opens the log of the pod's server, nil where it has none.
func (r *reader) open(ctx context.Context, pod *corev1.Pod, options corev1.PodLogOptions) (io.ReadCloser, error) {
	options.Container = objects.Container
	stream, err := r.d.cfg.API.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
	switch {
	case err == nil:
		return stream, nil
	case apierrors.IsBadRequest(err), apierrors.IsNotFound(err):
		// Its container has not been started, or the pod is gone.
		return nil, nil
	}
	return nil, fmt.Errorf("reading the log of pod %s: %w", pod.Name, err)
}

// follow writes the newest lines of the replica's server, and what it and its
// successors log from then on, until ctx ends or there is no such replica any
// more.
func (r *reader) follow(ctx context.Context, pod *corev1.Pod, id adapters.UID, opt adapters.LogOptions) error {
	lines, followed, missing := int64(opt.Lines), types.UID(""), time.Time{}
	options := corev1.PodLogOptions{Follow: true, TailLines: &lines}
	for {
		switch {
		case pod == nil && missing.IsZero():
			missing = time.Now()
		case pod == nil && time.Since(missing) > successor:
			return nil
		case pod != nil && (runs(pod) || followed == ""):
			if now := serverID(pod); now != followed && followed != "" {
				options = corev1.PodLogOptions{Follow: true}
			}
			began := metav1.Now()
			if err := r.copy(ctx, pod, options); err != nil {
				return err
			}
			// The same server is read again only where the stream broke off.
			followed, missing = serverID(pod), time.Time{}
			options = corev1.PodLogOptions{Follow: true, SinceTime: &began}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
		var err error
		if pod, err = r.d.newest(ctx, id, opt.Instance); err != nil {
			return err
		}
	}
}

// runs reports whether the pod's server does.
func runs(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == objects.Container {
			return c.State.Running != nil
		}
	}
	return false
}

// copy writes the lines of a stream as they come, and returns at its end.
func (r *reader) copy(ctx context.Context, pod *corev1.Pod, options corev1.PodLogOptions) error {
	stream, err := r.open(ctx, pod, options)
	if err != nil || stream == nil {
		return ignoreEnd(ctx, err)
	}
	defer stream.Close()
	lines := bufio.NewReaderSize(stream, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			if _, err := io.WriteString(r.w, r.mask.String(string(line))); err != nil {
				return fmt.Errorf("writing the log: %w", err)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			// The server has ended, or the node is not heard of: the pod tells.
			return nil
		}
	}
}

// ignoreEnd is err, unless ctx has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// serverID names one start of the pod's server.
func serverID(pod *corev1.Pod) types.UID {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == objects.Container {
			return pod.UID + types.UID("/"+c.ContainerID)
		}
	}
	return pod.UID
}
