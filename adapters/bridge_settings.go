package adapters

import "maps"

// ProcessModel says who may share a server process of the bridge.
type ProcessModel string

// The process models.
const (
	// ProcessIsolated means that no two users share a process: one per session
	// in the legacy era, one per principal in the modern one.
	ProcessIsolated ProcessModel = "isolated"
	// ProcessShared means one process for everybody, for servers that keep
	// nothing of a user.
	ProcessShared ProcessModel = "shared"
)

// SessionRecovery says what becomes of a session whose server process is lost.
type SessionRecovery string

// The kinds of recovery.
const (
	// RecoveryResume means that it goes on with a new process.
	RecoveryResume SessionRecovery = "resume"
	// RecoveryFail means that it ends, and clients begin another.
	RecoveryFail SessionRecovery = "fail"
)

// The variables by which the bridge is told these settings.
const (
	variableProcess  = "MCP_PROCESS"
	variableRecovery = "MCP_SESSION_RECOVERY"
)

// ServerEnvironment is what the server's process is given: EnvironmentVariables,
// SecretEnvironmentVariables as they are, and the settings of the bridge, which win over variables of the same meaning.
// In memory of its own.
func (s Spec) ServerEnvironment() map[string]string {
	env := maps.Clone(s.EnvironmentVariables)
	if env == nil {
		env = map[string]string{}
	}
	s.secretEnvironment(env)
	if s.ProcessModel != "" {
		env[variableProcess] = string(s.ProcessModel)
	}
	if s.SessionRecovery != "" {
		env[variableRecovery] = string(s.SessionRecovery)
	}
	s.UpstreamAuth.environment(env)
	return env
}

// RecoversSessions reports whether a session outlives the loss of its replica:
// the bridge can go on with it in any replica, unless it is told not to. What an
// image of the user's own keeps of a session is not known.
func (s Spec) RecoversSessions() bool {
	return s.ImageName == BridgeImage && s.ServerEnvironment()[variableRecovery] != string(RecoveryFail)
}

// bridgeSettings says what is wrong with the settings that only the bridge has.
func (f *faultList) bridgeSettings(s Spec) {
	setting := func(pointer, value, message string, allowed ...string) {
		switch {
		case value == "":
		case value != allowed[0] && value != allowed[1]:
			f.add(pointer, message)
		case s.ImageName != BridgeImage:
			f.add(pointer, "It is only for the image "+BridgeImage+".")
		}
	}
	setting("/processModel", string(s.ProcessModel), "It must be isolated or shared.", string(ProcessIsolated), string(ProcessShared))
	setting("/sessionRecovery", string(s.SessionRecovery), "It must be resume or fail.", string(RecoveryResume), string(RecoveryFail))
}
