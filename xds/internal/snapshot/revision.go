package snapshot

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// revision is one published state of all resources. Versions are digests of
// content, of each resource and of each type: equal content has equal versions,
// also across restarts, so that an Envoy that comes back is sent nothing.
type revision struct {
	snapshot *cachev3.Snapshot
	// versions are those of the resources, by type and name.
	versions map[resourcev3.Type]map[string]string
}

// press makes revisions. Of thousands of adapters few change at a time, so it
// takes from the last one what is the same. Only Loop.Run uses it.
type press struct {
	// digests are those of the resources of the last revision. Resources do not
	// change once made.
	digests map[types.Resource]string
	// routes are those of the last revision, and kept the adapters that they lead
	// to.
	routes []*routev3.RouteConfiguration
	kept   []*translate.Adapter
}

// revision versions r, which kept are the adapters of, and checks that it refers
// to nothing that is missing.
func (p *press) revision(r translate.Resources, kept []*translate.Adapter) (*revision, error) {
	if p.routes != nil && slices.EqualFunc(p.kept, kept, sameRoutes) {
		r.Routes = p.routes
	}
	p.routes, p.kept = r.Routes, kept
	last := p.digests
	p.digests = make(map[types.Resource]string, len(last))
	return newRevision(r, func(m types.Resource) (version string, err error) {
		version, found := last[m]
		if !found {
			version, err = digest(m)
		}
		p.digests[m] = version
		return version, err
	})
}

// sameRoutes reports whether the same routes lead to both.
func sameRoutes(a, b *translate.Adapter) bool {
	return a == b || a.Name == b.Name && bytes.Equal(a.Routes.GetValue(), b.Routes.GetValue())
}

// newRevision versions r by what version finds for each resource.
func newRevision(r translate.Resources, version func(types.Resource) (string, error)) (*revision, error) {
	out := &revision{versions: make(map[resourcev3.Type]map[string]string)}
	snap := new(cachev3.Snapshot)
	for typ, items := range map[resourcev3.Type][]types.Resource{
		resourcev3.ListenerType: asResources(r.Listeners),
		resourcev3.RouteType:    asResources(r.Routes),
		resourcev3.ClusterType:  asResources(r.Clusters),
		resourcev3.EndpointType: asResources(r.Endpoints),

		resourcev3.ExtensionConfigType: asResources(r.Filters),
	} {
		versions, err := versionsOf(items, version)
		if err != nil {
			return nil, fmt.Errorf("versioning %s: %w", typ, err)
		}
		out.versions[typ] = versions
		snap.Resources[cachev3.GetResponseType(typ)] = cachev3.NewResources(versionOfAll(versions), items)
	}
	snap.VersionMap = out.versions
	if err := snap.Consistent(); err != nil {
		return nil, fmt.Errorf("checking snapshot: %w", err)
	}
	out.snapshot = snap
	return out, nil
}

// equal reports whether o has the same content. A nil revision equals none.
func (r *revision) equal(o *revision) bool {
	return r != nil && o != nil && maps.EqualFunc(r.versions, o.versions, maps.Equal[map[string]string])
}

// routes is the version of the route configuration.
func (r *revision) routes() string { return r.versions[resourcev3.RouteType][contract.RoutesPublic] }

// filters is the version of the filters that come apart from the listener.
func (r *revision) filters() string { return versionOfAll(r.versions[resourcev3.ExtensionConfigType]) }

func asResources[M types.Resource](list []M) []types.Resource {
	out := make([]types.Resource, 0, len(list))
	for _, m := range list {
		out = append(out, m)
	}
	return out
}

func versionsOf(items []types.Resource, version func(types.Resource) (string, error)) (map[string]string, error) {
	out := make(map[string]string, len(items))
	for _, m := range items {
		found, err := version(m)
		if err != nil {
			return nil, err
		}
		out[cachev3.GetResourceName(m)] = found
	}
	return out, nil
}

func versionOfAll(versions map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		text.WriteString(name + "\x00" + versions[name] + "\x00")
	}
	return cachev3.HashResource([]byte(text.String()))
}

// digest is the version that the cache finds by itself for m when it sends it;
// the two must be equal, or an Envoy that comes back is sent everything.
func digest(m types.Resource) (string, error) {
	text, err := cachev3.MarshalResource(m)
	if err != nil {
		return "", err
	}
	return cachev3.HashResource(text), nil
}
