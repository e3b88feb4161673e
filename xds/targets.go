package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// target is what Prometheus is to scrape, in the form of its HTTP service
// discovery.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targets serves what there is to scrape: the parts, and the bridge of each
// replica. All of it is scraped where this was asked for.
func targets(store adapters.Store, deployer adapters.Deployer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := store.List(r.Context())
		if err != nil {
			http.Error(w, "the adapters cannot be listed", http.StatusServiceUnavailable)
			return
		}
		all := []target{}
		for _, part := range []string{"envoy", "extproc", "xds"} {
			all = append(all, targetAt(r.Host, "/metrics/"+part, "mooring-"+part, part))
		}
		instances := deployer.Instances()
		for _, a := range list {
			for _, i := range instances[a.ID] {
				path, name := bridgeTarget(a.Name, i)
				all = append(all, targetAt(r.Host, path, "mooring-bridge", name))
			}
		}
		slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.Labels["instance"], b.Labels["instance"]) })
		w.Header().Set("Content-Type", "application/json")
		// Prometheus asks again: an error says that it has gone.
		_ = json.NewEncoder(w).Encode(all)
	})
}

// bridgeTarget is where a replica's metrics are, and what it is called. Its
// number stays when it is replaced; one that drains is beside its successor.
func bridgeTarget(adapter string, i adapters.Instance) (path, name string) {
	name = adapter + "/" + strconv.Itoa(i.Ordinal)
	if i.State == adapters.InstanceDraining {
		name += "/" + i.ID
	}
	return "/metrics/adapters/" + adapter + "/" + i.ID, name
}

func targetAt(host, path, job, instance string) target {
	return target{Targets: []string{host}, Labels: map[string]string{
		"__metrics_path__": path, "job": job, "instance": instance,
	}}
}
