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

{{/* Where the pods of a part go: "mooring.spread" (list . "envoy"). Of a constraint over zones no pod of a node without a zone would count,
     and with it none of that over nodes, so zones are preferred by affinity. What is replaced does not count. */}}
{{- define "mooring.spread" -}}
{{- $root := index . 0 }}{{ $part := index . 1 -}}
affinity:
  {{- with (index $root.Values $part).affinity }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 50
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            {{- include "mooring.selector" (list $root $part) | nindent 12 }}
  {{- end }}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "mooring.selector" (list $root $part) | nindent 6 }}
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
