package dashboards

import (
	"encoding/json"
	"fmt"
)

// Panel is one graph or figure.
type Panel struct {
	// Title says what is shown; Help, which may be empty, how to read it.
	Title, Help string
	// Unit is one of Grafana's, such as "s", "reqps", "percentunit", "short".
	Unit string
	// Kind is "timeseries", "stat" or "table". Empty means "timeseries".
	Kind string
	// Width is of 24. Zero means 8.
	Width int
	// Queries are what is shown, in order.
	Queries []Query
	// Cluster says that there is something to show on Kubernetes alone.
	Cluster bool
}

// Query is an expression in PromQL. $adapter stands for the chosen adapters, and
// $__rate_interval for a time that holds enough samples.
type Query struct {
	Expr string
	// Legend names a line by labels, as in "{{adapter}}".
	Legend string
}

// Dashboard is a page of panels.
type Dashboard struct {
	// UID is the name of the file, and part of the page's address.
	UID, Title, Description string
	// PerAdapter gives the page a choice of adapters.
	PerAdapter bool
	Panels     []Panel
}

const (
	columns     = 24
	panelHeight = 8
	// schemaVersion is that of Grafana 10, which newer ones read.
	schemaVersion = 38
)

type object = map[string]any

// datasource is chosen on the page.
var datasource = object{"type": "prometheus", "uid": "${datasource}"}

// JSON is d as Grafana imports it.
func (d Dashboard) JSON() ([]byte, error) {
	panels, x, y := []object{}, 0, 0
	for i, p := range d.Panels {
		width := p.Width
		if width == 0 {
			width = columns / 3
		}
		if x+width > columns {
			x, y = 0, y+panelHeight
		}
		panels = append(panels, p.model(i+1, object{"x": x, "y": y, "w": width, "h": panelHeight}))
		x += width
	}
	text, err := json.MarshalIndent(object{
		"uid": d.UID, "title": d.Title, "description": d.Description, "tags": []string{"mooring"},
		"schemaVersion": schemaVersion, "version": 1, "editable": true, "refresh": "30s",
		"time": object{"from": "now-1h", "to": "now"}, "timezone": "browser",
		"templating": object{"list": d.variables()}, "panels": panels,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing dashboard %s: %w", d.UID, err)
	}
	return append(text, '\n'), nil
}

func (d Dashboard) variables() []object {
	list := []object{{
		"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source", "refresh": 1,
	}}
	if d.PerAdapter {
		list = append(list, object{
			"name": "adapter", "type": "query", "label": "Adapter", "datasource": datasource,
			"query":      object{"query": "label_values(mooring_adapter_replicas_wanted, adapter)", "refId": "adapter"},
			"definition": "label_values(mooring_adapter_replicas_wanted, adapter)",
			"refresh":    2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".+",
			"current": object{"selected": true, "text": "All", "value": "$__all"},
		})
	}
	return list
}

func (p Panel) model(id int, at object) object {
	kind := p.Kind
	if kind == "" {
		kind = "timeseries"
	}
	targets := []object{}
	for i, q := range p.Queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "expr": q.Expr, "legendFormat": q.Legend,
			"datasource": datasource, "instant": kind != "timeseries", "range": kind == "timeseries",
			"format": map[bool]string{true: "table", false: "time_series"}[kind == "table"],
		})
	}
	return object{
		"id": id, "type": kind, "title": p.Title, "description": p.Help, "gridPos": at, "datasource": datasource,
		"targets": targets, "options": object{},
		"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0}, "overrides": []object{}},
	}
}
