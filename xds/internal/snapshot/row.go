package snapshot

import (
	"slices"
	"strconv"
	"time"

	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// row is one adapter in one round.
type row struct {
	adapter    adapters.Adapter
	instances  []adapters.Instance
	tools      []string
	translated *translate.Adapter
	fault      string
	// prints are the digests of its configuration, by type, and print stands for
	// it among control planes.
	prints map[resourcev3.Type]string
	print  string
	ready  bool
	// admitted says that it is part of the round's revision.
	admitted bool
}

// toolsPause is the shortest time between two changes of routes for nothing but the
// names of tools, which are for metrics. Envoy makes all routes anew for each, and of
// many adapters that start, each lists its tools a moment after it serves.
const toolsPause = 2 * time.Second

// rows are those of list. What has not changed since the last round is not made
// again. A fault is a row's, not the round's: the other adapters go on. Where names of
// tools must wait, it says for how long.
func (l *Loop) rows(list []adapters.Adapter, instances map[adapters.UID][]adapters.Instance) (out []*row, wait time.Duration) {
	out = make([]*row, 0, len(list))
	last := make(map[adapters.UID]*row, len(list))
	pause, now := time.Until(l.toolsAfter), time.Now()
	for _, a := range list {
		r := l.last[a.ID]
		e := translate.Entry{Adapter: a, Instances: instances[a.ID]}
		if r == nil {
			e.Tools = toolsOf(e.Instances, nil)
		} else if e.Tools = toolsOf(e.Instances, r.tools); !sameTools(e.Tools, r.tools) {
			if pause > 0 {
				e.Tools, wait = r.tools, pause
			} else {
				l.toolsAfter = now.Add(toolsPause)
			}
		}
		if r == nil || !r.isOf(e) {
			r = l.translate(e)
		}
		last[a.ID] = r
		out = append(out, r)
	}
	l.last = last
	return out, wait
}

// sameTools tells tools that are not known from none.
func sameTools(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// isOf reports whether e would give the same row.
func (r *row) isOf(e translate.Entry) bool {
	return r.adapter.ID == e.Adapter.ID && r.adapter.Revision != "" && r.adapter.Revision == e.Adapter.Revision &&
		sameTools(r.tools, e.Tools) &&
		slices.EqualFunc(r.instances, e.Instances, func(a, b adapters.Instance) bool {
			return a.ID == b.ID && a.Address == b.Address && a.State == b.State
		})
}

// toolsOf are the names of the tools of all instances, in order. While none has
// listed any they are the last that were known: a replica that is replaced is no
// reason to change routes.
func toolsOf(instances []adapters.Instance, last []string) []string {
	var names []string
	for _, i := range instances {
		if i.Tools != nil {
			names = append(slices.Grow(names, 1), i.Tools...)
		}
	}
	if names == nil {
		return last
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (l *Loop) translate(e translate.Entry) *row {
	out := &row{adapter: e.Adapter, instances: e.Instances, tools: e.Tools}
	a, err := l.config.Translator.Adapter(e)
	if err == nil {
		out.prints, err = printsOf(a)
	}
	out.print = printOf(e.Adapter.Generation, out.prints)
	if err != nil {
		out.fault = err.Error()
		return out
	}
	out.translated = a
	for _, i := range e.Instances {
		out.ready = out.ready || i.State == adapters.InstanceReady
	}
	return out
}

func printsOf(a *translate.Adapter) (map[resourcev3.Type]string, error) {
	cluster, err := digest(a.Cluster)
	if err != nil {
		return nil, err
	}
	endpoints, err := digest(a.Endpoints)
	if err != nil {
		return nil, err
	}
	return map[resourcev3.Type]string{
		resourcev3.ClusterType:  cluster,
		resourcev3.EndpointType: endpoints,
		resourcev3.RouteType:    cachev3.HashResource(a.Routes.GetValue()),
	}, nil
}

// printOf does without the routes, of which the names of tools may differ between
// control planes: the rest of them follows from the generation.
func printOf(generation int64, prints map[resourcev3.Type]string) string {
	text := strconv.FormatInt(generation, 10) + " " + prints[resourcev3.ClusterType] + " " + prints[resourcev3.EndpointType]
	return cachev3.HashResource([]byte(text))
}
