// Package dashboards writes Mooring's pages for Grafana. The JSON beside the
// chart is made of them, so that what all pages have in common is said once. It
// knows metrics by their names only.
package dashboards

// All are the pages.
func All() []Dashboard {
	return []Dashboard{fleet(), adapter(), sessions(), density(), dataPath(), controlPlane()}
}

// Every control plane tells the same of adapters and their replicas, so that the
// largest of their numbers counts, and not the sum.

// quantile is a duration that such a part of the requests stayed below.
func quantile(part, histogram, selector, by string) string {
	return "histogram_quantile(" + part + ", sum by (" + by + ") (rate(" + histogram + "_bucket{" + selector + "}[$__rate_interval])))"
}

func rate(counter, selector, by string) string {
	return "sum by (" + by + ") (rate(" + counter + "{" + selector + "}[$__rate_interval]))"
}

// answered leaves out streams of server messages, which are open for long by
// intent.
const answered = `method!~"GET|subscriptions/listen"`

func fleet() Dashboard {
	return Dashboard{
		UID: "mooring-fleet", Title: "Mooring: fleet", Description: "All adapters: who is used, how fast, and what fails.",
		Panels: []Panel{
			{Title: "Adapters", Kind: "stat", Unit: "short", Width: 6, Help: "By the state of their best replica.",
				Queries: []Query{{"max by (state) (mooring_adapters)", "{{state}}"}}},
			{Title: "Requests", Kind: "stat", Unit: "reqps", Width: 6,
				Queries: []Query{{"sum(rate(mooring_requests_total[$__rate_interval]))", ""}}},
			{Title: "Server errors", Kind: "stat", Unit: "percentunit", Width: 6, Help: "The part of all requests that was answered with 5xx.",
				Queries: []Query{{`sum(rate(mooring_requests_total{code=~"5.."}[$__rate_interval])) / sum(rate(mooring_requests_total[$__rate_interval]))`, ""}}},
			{Title: "Sessions", Kind: "stat", Unit: "short", Width: 6, Help: "With a request in the last five minutes.",
				Queries: []Query{{"sum(mooring_sessions_active)", ""}}},
			{Title: "Busiest adapters", Unit: "reqps",
				Queries: []Query{{"topk(10, " + rate("mooring_requests_total", `adapter!=""`, "adapter") + ")", "{{adapter}}"}}},
			{Title: "Most server errors", Unit: "reqps",
				Queries: []Query{{"topk(10, " + rate("mooring_requests_total", `adapter!="",code=~"5.."`, "adapter") + ")", "{{adapter}}"}}},
			{Title: "Slowest adapters (p99)", Unit: "s",
				Queries: []Query{{"topk(10, " + quantile("0.99", "mooring_request_duration_seconds", answered, "adapter, le") + ")", "{{adapter}}"}}},
			{Title: "Answers", Unit: "reqps", Queries: []Query{{rate("mooring_requests_total", "", "code"), "{{code}}"}}},
			{Title: "Methods", Unit: "reqps", Queries: []Query{{rate("mooring_requests_total", "", "method"), "{{method}}"}}},
			{Title: "Eras", Unit: "reqps", Queries: []Query{{rate("mooring_era_requests_total", "", "era"), "{{era}}"}}},
			{Title: "Without identity", Unit: "reqps", Queries: []Query{{rate("mooring_auth_failures_total", "", "reason"), "{{reason}}"}}},
			{Title: "Refused", Unit: "reqps", Queries: []Query{{rate("mooring_denials_total", "", "reason"), "{{reason}}"}}},
			{Title: "For no adapter", Unit: "reqps", Help: "Unknown names, and what could not be read.",
				Queries: []Query{{rate("mooring_requests_total", `adapter=""`, "code"), "{{code}}"}}},
		},
	}
}

func adapter() Dashboard {
	const chosen = `adapter=~"$adapter"`
	return Dashboard{
		UID: "mooring-adapter", Title: "Mooring: one adapter", Description: "Who uses it, how fast it is, what fails and why.", PerAdapter: true,
		Panels: []Panel{
			{Title: "Replicas", Kind: "stat", Unit: "short", Queries: []Query{
				{"sum by (state) (max by (adapter, state) (mooring_adapter_replicas{" + chosen + "}))", "{{state}}"},
				{"sum(max by (adapter) (mooring_adapter_replicas_wanted{" + chosen + "}))", "wanted"}}},
			{Title: "Sessions and streams", Kind: "stat", Unit: "short", Queries: []Query{
				{"sum(mooring_sessions_active{" + chosen + "})", "sessions"}, {"sum(mooring_streams_active{" + chosen + "})", "streams"}}},
			{Title: "Server errors", Kind: "stat", Unit: "percentunit",
				Queries: []Query{{"sum(rate(mooring_requests_total{" + chosen + `,code=~"5.."}[$__rate_interval])) / sum(rate(mooring_requests_total{` + chosen + "}[$__rate_interval]))", ""}}},
			{Title: "Requests by method", Unit: "reqps", Queries: []Query{{rate("mooring_requests_total", chosen, "method"), "{{method}}"}}},
			{Title: "Requests by answer", Unit: "reqps", Queries: []Query{{rate("mooring_requests_total", chosen, "code"), "{{code}}"}}},
			{Title: "Duration", Unit: "s", Queries: []Query{
				{quantile("0.5", "mooring_request_duration_seconds", chosen+","+answered, "le"), "p50"},
				{quantile("0.99", "mooring_request_duration_seconds", chosen+","+answered, "le"), "p99"}}},
			{Title: "Tool calls by outcome", Unit: "reqps", Help: "As the bridge sees them: a result with isError and a JSON-RPC error are failures.",
				Queries: []Query{{rate("mooring_bridge_tool_calls_total", chosen, "tool, outcome"), "{{tool}} {{outcome}}"}}},
			{Title: "Tools", Unit: "reqps", Help: "By HTTP status, for adapters without a bridge too.",
				Queries: []Query{{rate("mooring_tool_requests_total", chosen, "tool, code"), "{{tool}} {{code}}"}}},
			{Title: "Tool duration (p99)", Unit: "s",
				Queries: []Query{{quantile("0.99", "mooring_bridge_tool_call_duration_seconds", chosen, "tool, le"), "{{tool}}"}}},
			{Title: "Refused", Unit: "reqps", Queries: []Query{{rate("mooring_denials_total", chosen, "reason"), "{{reason}}"}}},
			{Title: "What Envoy saw go wrong", Unit: "reqps", Help: "UH: no replica; UF, UC: no connection, or it broke; UO: too many open; DC, DR: the client left.",
				Queries: []Query{{rate("mooring_response_flags_total", chosen, "flag"), "{{flag}}"}}},
			{Title: "Bytes", Unit: "Bps", Queries: []Query{
				{"sum(rate(mooring_request_bytes_total{" + chosen + "}[$__rate_interval]))", "received"},
				{"sum(rate(mooring_response_bytes_total{" + chosen + "}[$__rate_interval]))", "sent"}}},
		},
	}
}

func sessions() Dashboard {
	const chosen = `adapter=~"$adapter"`
	return Dashboard{
		UID: "mooring-sessions", Title: "Mooring: sessions and recovery", Description: "Sessions that live, end, are recovered or lost.", PerAdapter: true,
		Panels: []Panel{
			{Title: "Active", Unit: "short", Queries: []Query{{"sum by (adapter) (mooring_sessions_active{" + chosen + "})", "{{adapter}}"}}},
			{Title: "Open in bridges", Unit: "short", Queries: []Query{{"sum by (adapter) (mooring_bridge_sessions_active{" + chosen + "})", "{{adapter}}"}}},
			{Title: "Streams", Unit: "short", Queries: []Query{{"sum by (adapter) (mooring_streams_active{" + chosen + "})", "{{adapter}}"}}},
			{Title: "Created and closed", Unit: "ops", Queries: []Query{{rate("mooring_sessions_total", chosen, "event"), "{{event}}"}}},
			{Title: "In bridges", Unit: "ops", Help: "Started, recovered after their process had ended, closed, expired, lost.",
				Queries: []Query{{rate("mooring_bridge_sessions_total", chosen, "event"), "{{event}}"}}},
			{Title: "Lost in this hour", Kind: "stat", Unit: "short",
				Queries: []Query{{`sum(increase(mooring_bridge_sessions_total{` + chosen + `,event="lost"}[1h]))`, ""}}},
			{Title: "Recovered in this hour", Kind: "stat", Unit: "short",
				Queries: []Query{{`sum(increase(mooring_bridge_sessions_total{` + chosen + `,event="recovered"}[1h]))`, ""}}},
			{Title: "Unknown to the gateway (404)", Unit: "reqps", Help: "Ids that are forged, expired, or of a replica that is gone.",
				Queries: []Query{{rate("mooring_requests_total", chosen+`,code="404"`, "adapter"), "{{adapter}}"}}},
			{Title: "Time to initialize (p99)", Unit: "s",
				Queries: []Query{{quantile("0.99", "mooring_bridge_initialize_duration_seconds", chosen, "adapter, le"), "{{adapter}}"}}},
		},
	}
}

func density() Dashboard {
	return Dashboard{
		UID: "mooring-density", Title: "Mooring: bridge density and cold starts", Description: "What replicas cost, and how long clients wait for a server's start.",
		Panels: []Panel{
			{Title: "Server processes", Unit: "short", Queries: []Query{{"sum by (state) (mooring_bridge_children)", "{{state}}"}}},
			{Title: "Server processes per bridge", Unit: "short", Queries: []Query{{"sum by (instance) (mooring_bridge_children)", "{{instance}}"}}},
			{Title: "Sessions per bridge", Unit: "short", Queries: []Query{{"sum by (instance) (mooring_bridge_sessions_active)", "{{instance}}"}}},
			{Title: "Requests in flight per bridge", Unit: "short", Help: "They wait for their server's answer.",
				Queries: []Query{{"sum by (instance) (mooring_bridge_requests_in_flight)", "{{instance}}"}}},
			{Title: "Refused at a limit", Unit: "ops", Help: "Of sessions, processes or requests: what to scale on.",
				Queries: []Query{{rate("mooring_bridge_refusals_total", "", "limit"), "{{limit}}"}}},
			{Title: "Memory of bridges", Unit: "bytes", Help: "Without their server processes.",
				Queries: []Query{{`sum by (instance) (process_resident_memory_bytes{job="mooring-bridge"})`, "{{instance}}"}}},
			{Title: "Processor of bridges", Unit: "percentunit", Help: "Without their server processes.",
				Queries: []Query{{`sum by (instance) (rate(process_cpu_seconds_total{job="mooring-bridge"}[$__rate_interval]))`, "{{instance}}"}}},
			{Title: "Goroutines of bridges", Unit: "short", Queries: []Query{{`sum by (instance) (go_goroutines{job="mooring-bridge"})`, "{{instance}}"}}},
			{Title: "Process starts", Unit: "ops", Help: "By what for: probe, spare, session, modern.",
				Queries: []Query{{rate("mooring_bridge_child_starts_total", "", "reason"), "{{reason}}"}}},
			{Title: "Spares found", Unit: "percentunit", Help: "Of the processes that were wanted, how many had been started ahead.",
				Queries: []Query{{`sum(rate(mooring_bridge_spares_wanted_total{result="hit"}[$__rate_interval])) / sum(rate(mooring_bridge_spares_wanted_total[$__rate_interval]))`, ""}}},
			{Title: "Time to initialize", Unit: "s", Queries: []Query{
				{quantile("0.5", "mooring_bridge_initialize_duration_seconds", "", "le"), "p50"},
				{quantile("0.99", "mooring_bridge_initialize_duration_seconds", "", "le"), "p99"}}},
			{Title: "Bridges started, ended by themselves, killed", Unit: "ops", Queries: []Query{
				{"sum(rate(mooring_bridge_process_starts_total[$__rate_interval]))", "started"},
				{"sum(rate(mooring_bridge_process_deaths_total[$__rate_interval]))", "ended"},
				{"sum(rate(mooring_bridge_process_kills_total[$__rate_interval]))", "killed"}}},
			{Title: "POST to first request", Unit: "s", Help: "From an adapter's creation until Envoy could route to it.",
				Queries: []Query{{quantile("0.5", "mooring_adapter_ready_seconds", "", "le"), "p50"}, {quantile("0.99", "mooring_adapter_ready_seconds", "", "le"), "p99"}}},
		},
	}
}

func dataPath() Dashboard {
	return Dashboard{
		UID: "mooring-data-path", Title: "Mooring: data-path cost", Description: "Where a request's time goes: Envoy, the external processor, the servers.",
		Panels: []Panel{
			{Title: "Whole request", Unit: "s", Queries: []Query{
				{quantile("0.5", "mooring_request_duration_seconds", answered, "le"), "p50"},
				{quantile("0.99", "mooring_request_duration_seconds", answered, "le"), "p99"}}},
			{Title: "External processor (p99)", Unit: "s", Help: "By phase; that of the body holds its arrival.",
				Queries: []Query{{quantile("0.99", "mooring_extproc_duration_seconds", "", "phase, le"), "{{phase}}"}}},
			{Title: "Servers, as Envoy waits for them (p99)", Unit: "ms",
				Queries: []Query{{quantile("0.99", "envoy_cluster_upstream_rq_time", `envoy_cluster_name!~"mooring_internal.*"`, "envoy_cluster_name, le"), "{{envoy_cluster_name}}"}}},
			{Title: "Mean of a request", Unit: "s", Queries: []Query{
				{"sum(rate(mooring_request_duration_seconds_sum{" + answered + "}[$__rate_interval])) / sum(rate(mooring_request_duration_seconds_count{" + answered + "}[$__rate_interval]))", "whole"},
				{"sum(rate(mooring_extproc_duration_seconds_sum[$__rate_interval])) / sum(rate(mooring_request_duration_seconds_count[$__rate_interval]))", "external processor"},
				{`sum(rate(envoy_cluster_upstream_rq_time_sum{envoy_cluster_name!~"mooring_internal.*"}[$__rate_interval])) / sum(rate(envoy_cluster_upstream_rq_time_count{envoy_cluster_name!~"mooring_internal.*"}[$__rate_interval])) / 1000`, "server"}}},
			{Title: "Processor", Unit: "percentunit", Help: "Of one core. Envoy does not tell its own.",
				Queries: []Query{{`sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))`, "{{job}}"}}},
			{Title: "Memory", Unit: "bytes", Queries: []Query{
				{`sum by (job) (process_resident_memory_bytes)`, "{{job}}"}, {"sum(envoy_server_memory_allocated)", "Envoy"}}},
			{Title: "Connections", Unit: "short", Queries: []Query{{`sum(envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix="public"})`, "clients"}}},
			{Title: "Requests that Envoy has seen", Unit: "reqps", Help: "Those of the API are among them.",
				Queries: []Query{
					{`sum(rate(envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="public"}[$__rate_interval]))`, "Envoy"},
					{"sum(rate(mooring_requests_total[$__rate_interval]))", "counted, of adapters"}}},
			{Title: "Access log", Unit: "short", Help: "Entries that were dropped were not counted.",
				Queries: []Query{
					{"sum(mooring_access_log_queue_entries)", "waiting"}, {"sum(increase(mooring_access_log_dropped_total[$__rate_interval]))", "dropped by extproc"},
					{"sum(increase(mooring_access_log_lines_dropped_total[$__rate_interval]))", "lines dropped by extproc"},
					{"sum(increase(envoy_access_logs_open_telemetry_access_log_logs_dropped[$__rate_interval]))", "dropped by Envoy"}}},
			{Title: "Audit", Unit: "short", Help: "What was dropped is missing from the audit files.", Queries: []Query{
				{"sum(increase(mooring_audit_events_total[$__rate_interval]))", "written"},
				{"sum(increase(mooring_audit_dropped_total[$__rate_interval]))", "dropped"}}},
			{Title: "Spans of traces", Unit: "ops", Help: "Empty where nothing is traced. What was dropped or failed is missing from traces.",
				Queries: []Query{{rate("mooring_trace_spans_total", "", "result"), "{{result}}"}}},
			{Title: "Exchanges with the external processor", Unit: "reqps", Queries: []Query{
				{"sum(rate(envoy_http_ext_proc_mooring_streams_started[$__rate_interval]))", "started"},
				{"sum(rate(envoy_http_ext_proc_mooring_streams_failed[$__rate_interval]))", "failed"}}},
		},
	}
}

func controlPlane() Dashboard {
	return Dashboard{
		UID: "mooring-control-plane", Title: "Mooring: control plane", Description: "What Envoy was told, what it refused, and how far behind it is.",
		Panels: []Panel{
			{Title: "Configuration lag", Unit: "s", Help: "How long the adapter that has waited longest is without its current configuration in Envoy.",
				Queries: []Query{{"max(mooring_xds_unprogrammed_seconds)", ""}}},
			{Title: "From a change to all Envoys", Unit: "s", Help: "Changes that were refused are not in it.",
				Queries: []Query{{quantile("0.5", "mooring_xds_programming_seconds", "", "le"), "p50"}, {quantile("0.99", "mooring_xds_programming_seconds", "", "le"), "p99"}}},
			{Title: "Envoys connected", Kind: "stat", Unit: "short", Queries: []Query{{"sum(envoy_control_plane_connected_state)", ""}}},
			{Title: "Refused (NACK) in this hour", Kind: "stat", Unit: "short", Queries: []Query{{`sum(increase(mooring_xds_acks_total{result="nack"}[1h]))`, ""}}},
			{Title: "Envoy's answers", Unit: "ops", Queries: []Query{{rate("mooring_xds_acks_total", "", "type, result"), "{{type}} {{result}}"}}},
			{Title: "Adapters", Unit: "short", Queries: []Query{{"max by (state) (mooring_adapters)", "{{state}}"}}},
			{Title: "Adapters short of replicas", Kind: "table", Unit: "short",
				Queries: []Query{{`max by (adapter) (mooring_adapter_replicas_wanted) - max by (adapter) (mooring_adapter_replicas{state="ready"}) > 0`, ""}}},
			{Title: "Restarts of replicas", Unit: "short", Queries: []Query{{"topk(10, sum by (adapter) (mooring_adapter_restarts))", "{{adapter}}"}}},
			{Title: "Bridges started, ended by themselves, killed", Unit: "ops", Queries: []Query{
				{"sum(rate(mooring_bridge_process_starts_total[$__rate_interval]))", "started"},
				{"sum(rate(mooring_bridge_process_deaths_total[$__rate_interval]))", "ended"},
				{"sum(rate(mooring_bridge_process_kills_total[$__rate_interval]))", "killed"}}},
			{Title: "Requests held for replicas to start", Unit: "short", Cluster: true, Help: "Empty where adapters never sleep.", Queries: []Query{
				{"sum(mooring_wake_held_requests)", "held now"},
				{"sum by (result) (increase(mooring_wake_requests_total[$__rate_interval]))", "{{result}}"}}},
			{Title: "Time until a replica serves", Unit: "s", Cluster: true, Help: "From the first request that is held for an adapter.", Queries: []Query{
				{"histogram_quantile(0.5, sum by (le) (rate(mooring_wake_duration_seconds_bucket[$__rate_interval])))", "p50"},
				{"histogram_quantile(0.99, sum by (le) (rate(mooring_wake_duration_seconds_bucket[$__rate_interval])))", "p99"}}},
			{Title: "Clusters that Envoy knows", Kind: "stat", Unit: "short", Queries: []Query{{"sum(envoy_cluster_manager_active_clusters)", ""}}},
			{Title: "Age of the keys that sign", Kind: "stat", Unit: "s", Queries: []Query{
				{"max(mooring_session_key_age_seconds)", "sessions"}, {"max(mooring_identity_key_age_seconds)", "identities"}}},
			{Title: "Until a certificate ends", Kind: "stat", Unit: "s", Help: "Empty where there is none. That of Envoy is counted in whole days.",
				Queries: []Query{{"min by (job) (mooring_certificate_expires_timestamp_seconds - time() or 86400 * (envoy_server_days_until_first_cert_expiring < 36500))", "{{job}}"}}},
		},
	}
}
