// Package adapters says what an adapter is: its record, who may read and
// change it, and the contracts between what keeps records (Store), what makes
// the world match them (Deployer) and the Service that joins the two. It knows
// nothing of HTTP, Envoy, processes or Kubernetes, and imports only the
// standard library.
package adapters

import (
	"time"
)

// BridgeImage is the imageName that stands for the bridge: the image that runs
// a stdio command, or proxies a remote server, as streamable HTTP.
const BridgeImage = "mcp-proxy"

// UID names one life of an adapter: an adapter that is deleted and created
// again under the same name has another UID, so that sessions and keys of the
// first cannot be used with the second. Lower-case base32, 26 characters.
type UID string

// Spec is what a user writes of an adapter: the JSON of POST and PUT. Its field
// names are compatible with existing clients and never change.
type Spec struct {
	// Name is the adapter's name and a segment of its endpoint's path:
	// ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$.
	Name string `json:"name"`
	// ImageName is BridgeImage or an image of the user's own. Required.
	ImageName string `json:"imageName"`
	// ImageVersion is the image's tag. Required.
	ImageVersion string `json:"imageVersion"`
	// EnvironmentVariables are given to the server. For the bridge they name
	// what to run: MCP_COMMAND with MCP_ARGS, or MCP_PROXY_URL.
	EnvironmentVariables map[string]string `json:"environmentVariables"`
	// SecretEnvironmentVariables are given to the server like
	// EnvironmentVariables, and are shown to nobody. No name may be in both.
	SecretEnvironmentVariables map[string]Secret `json:"secretEnvironmentVariables,omitempty"`
	// ReplicaCount is how many instances run. Absent means 1; 0 is allowed and
	// means none.
	ReplicaCount int `json:"replicaCount"`
	// Description is free text for people.
	Description string `json:"description"`
	// UseWorkloadIdentity asks for the cloud identity of the workload. Where it
	// has no effect, as on one machine, a condition says so.
	UseWorkloadIdentity bool `json:"useWorkloadIdentity"`
	// RequiredRoles are the roles of which a principal needs one to read the
	// adapter. Empty means: only its creator and administrators.
	RequiredRoles []string `json:"requiredRoles"`
	// Labels are the user's own names and values, for selecting in lists.
	Labels map[string]string `json:"labels,omitempty"`
	// ToolRules say which tools may be called. Nil means all.
	ToolRules *ToolRules `json:"toolRules,omitempty"`
	// Affinity is which replica serves a request of the modern era, which has no
	// sessions. Empty means AffinityNone.
	Affinity Affinity `json:"affinity,omitempty"`
	// Limits bound the traffic to the adapter. Nil means the operator's defaults.
	Limits *TrafficLimits `json:"limits,omitempty"`
	// Inspection says which messages the gateway looks into. Empty means
	// InspectionAlways.
	Inspection Inspection `json:"inspection,omitempty"`
	// ProcessModel says who may share a server process of the bridge. Empty means
	// what MCP_PROCESS says, else ProcessIsolated.
	ProcessModel ProcessModel `json:"processModel,omitempty"`
	// SessionRecovery says what becomes of a session of the bridge whose server
	// process is lost. Empty means what MCP_SESSION_RECOVERY says, else
	// RecoveryResume.
	SessionRecovery SessionRecovery `json:"sessionRecovery,omitempty"`
	// UpstreamAuth says what reaches the server of who calls. Nil means nothing.
	UpstreamAuth *UpstreamAuth `json:"upstreamAuth,omitempty"`
}

// Adapter is a stored adapter: the user's Spec and what the server adds.
type Adapter struct {
	// ID is unique over all adapters that ever were. Set by the Store's caller, or
	// by the Store: see Store.Create.
	ID UID `json:"id"`
	Spec
	// CreatedBy is the Principal.ID of the creator.
	CreatedBy string `json:"createdBy"`
	// CreatedAt and LastUpdatedAt are in UTC.
	CreatedAt     time.Time `json:"createdAt"`
	LastUpdatedAt time.Time `json:"lastUpdatedAt"`
	// Generation counts the changes of Spec, from 1.
	Generation int64 `json:"-"`
	// Origin is what CreateOnce knows its request by. Empty where Create made
	// the adapter.
	Origin string `json:"-"`
	// Revision names this stored version; it is the ETag. Set by the Store.
	Revision Revision `json:"-"`
}

// Revision names one stored version of a record. Empty, as a condition, means
// any version.
type Revision string

// Instance is one running replica of an adapter as its Deployer sees it.
type Instance struct {
	// ID is unique over all instances that ever were. Empty for a replica that
	// could not be made.
	ID string
	// Ordinal is the replica's place, from 0: the `instance=N` of logs. An
	// instance that drains keeps its ordinal beside its successor's.
	Ordinal int
	// Address is where it serves MCP, at /mcp: a Unix socket's absolute path, or
	// host:port. Empty while it is not known.
	Address string
	// State is where the instance is in its life.
	State InstanceState
	// Reason and Message say why it is not ready: a word and a sentence, the
	// child's own last words included. Empty when ready.
	Reason, Message string
	// Since is when State was entered.
	Since time.Time
	// Restarts counts how often this replica was started anew after it ended
	// by itself.
	Restarts int
	// TemplateHash is Spec.TemplateHash of what it was started from.
	TemplateHash string
	// Tools are the names of its server's tools, in order, as far as it has listed
	// them. Nil means that it has not, and empty that there are none.
	Tools []string
}

// InstanceState is where an instance is in its life.
type InstanceState string

const (
	// InstanceStarting means not serving yet; the server may still come.
	InstanceStarting InstanceState = "Starting"
	// InstanceReady means serving, and given new sessions.
	InstanceReady InstanceState = "Ready"
	// InstanceFailed means the server cannot start, or started and keeps ending.
	InstanceFailed InstanceState = "Failed"
	// InstanceDraining means keeping its sessions and given no new ones.
	InstanceDraining InstanceState = "Draining"
)

// ReasonExited is the Reason of a failed instance whose process ended by itself,
// and is about to be started again.
const ReasonExited = "BridgeExited"

// Condition is one aspect of an adapter's state, shaped like Kubernetes' own.
type Condition struct {
	// Type is one of the Condition* constants.
	Type string `json:"type"`
	// Status is "True", "False" or "Unknown".
	Status string `json:"status"`
	// Reason is one CamelCase word, for programs.
	Reason string `json:"reason"`
	// Message is a sentence, for people.
	Message string `json:"message"`
	// LastTransitionTime is when Status last changed, in UTC.
	LastTransitionTime time.Time `json:"lastTransitionTime"`
}

// The condition types of an adapter.
const (
	// ConditionReady is True while at least one replica serves.
	ConditionReady = "Ready"
	// ConditionProgrammed is True while Envoy has accepted the adapter's
	// current configuration, and its replicas as they are: with ConditionReady,
	// that it can be called.
	ConditionProgrammed = "Programmed"
	// ConditionWorkloadIdentity is present where workload identity was asked
	// for, and False where the runtime cannot give it.
	ConditionWorkloadIdentity = "WorkloadIdentity"
)

// Status is the answer of GET /adapters/{name}/status.
type Status struct {
	ReadyReplicas     int `json:"readyReplicas"`
	UpdatedReplicas   int `json:"updatedReplicas"`
	AvailableReplicas int `json:"availableReplicas"`
	// Image is imageName:imageVersion.
	Image string `json:"image"`
	// ReplicaStatus is one line for people: "Healthy", or what is wrong.
	ReplicaStatus string      `json:"replicaStatus"`
	Conditions    []Condition `json:"conditions"`
	// Instances says how each replica is, in order of ordinal.
	Instances []InstanceStatus `json:"instances"`
	// Traffic is what was measured lately. Nil means that nothing is known.
	Traffic *Traffic `json:"traffic,omitempty"`
}

// InstanceStatus is one replica in Status. It shows no address.
type InstanceStatus struct {
	Instance int           `json:"instance"`
	State    InstanceState `json:"state"`
	Reason   string        `json:"reason,omitempty"`
	Message  string        `json:"message,omitempty"`
	Since    time.Time     `json:"since"`
	Restarts int           `json:"restarts"`
}
