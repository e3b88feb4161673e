{{/* What the Pod Security Standard "restricted" asks of a pod. */}}
{{- define "mooring.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* The same of a container. */}}
{{- define "mooring.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Where pods run, of the values of a component. */}}
{{- define "mooring.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Flags of limits that both programs must have alike. */}}
{{- define "mooring.limits" -}}
{{- with .Values.limits -}}
- --max-body-bytes={{ int64 .maxBodyBytes }}
- --requests-per-second={{ int .requestsPerSecond }}
- --requests-per-second-per-principal={{ int .requestsPerSecondPerPrincipal }}
- --concurrent-requests-per-principal={{ int .concurrentRequestsPerPrincipal }}
{{- end }}
{{- end -}}

{{/* Who is believed. */}}
{{- define "mooring.identified" -}}
{{- if not .Values.auth.dangerouslyWithoutIdentity }}true{{ end -}}
{{- end -}}
