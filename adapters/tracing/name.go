package tracing

// methodCallTool is the one method whose spans name what they are about.
const methodCallTool = "tools/call"

// otherMethod is the name of spans of methods that the protocol does not have:
// clients choose those.
const otherMethod = "other"

// SpanName is the name of a span about m. There are few of them, whatever
// clients send.
func SpanName(m Message) string {
	if m.Method == methodCallTool && m.NamesTool && m.Tool != "" {
		return m.Method + " " + bounded(m.Tool)
	}
	return methodName(m.Method)
}

// methodName is the method, of those that the protocol has.
func methodName(method string) string {
	if method == "" || isMethod(method) {
		return method
	}
	return otherMethod
}

// isMethod reports whether the protocol, in any version, has the method.
func isMethod(method string) bool {
	switch method {
	case "initialize", "ping", "server/discover", "logging/setLevel", "completion/complete", "subscriptions/listen",
		"tools/list", methodCallTool, "prompts/list", "prompts/get",
		"resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe",
		"tasks/get", "tasks/list", "tasks/update", "tasks/cancel", "tasks/result",
		"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed", "notifications/tasks/status",
		"sampling/createMessage", "elicitation/create", "roots/list":
		return true
	}
	return false
}
