{{/* The first part of the objects' names. It leaves room for what comes after it within 63 characters. */}}
{{- define "mooring.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mooring.envoy" -}}{{ include "mooring.name" . }}-envoy{{- end -}}
{{- define "mooring.xds" -}}{{ include "mooring.name" . }}-xds{{- end -}}

{{/* The namespace of adapters. */}}
{{- define "mooring.adapters" -}}{{ default .Release.Namespace .Values.adapters.namespace }}{{- end -}}

{{/* The name of what is cluster-wide: no two releases share it. */}}
{{- define "mooring.clusterwide" -}}{{ .Release.Namespace }}.{{ include "mooring.name" . }}{{- end -}}

{{/* The name that Envoy reaches the control plane by, and that its certificate is for. */}}
{{- define "mooring.xdsHost" -}}
{{ include "mooring.xds" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{/* The name that has the addresses of Envoy's pods. */}}
{{- define "mooring.envoyHost" -}}
{{ include "mooring.envoy" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "mooring.publicURL" -}}
{{- if .Values.publicURL -}}
{{- .Values.publicURL | trimSuffix "/" -}}
{{- else -}}
{{- $port := int .Values.envoy.service.port -}}
http://{{ include "mooring.name" . }}.{{ .Release.Namespace }}.svc{{ if ne $port 80 }}:{{ $port }}{{ end }}
{{- end -}}
{{- end -}}

{{/* Labels of an object: (list CONTEXT COMPONENT). */}}
{{- define "mooring.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mooring.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
{{/* Whatever is labelled so, is given to no adapter. */ -}}
app.kubernetes.io/part-of: mooring
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels that find the pods of a component: (list CONTEXT COMPONENT). */}}
{{- define "mooring.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ default $.Chart.Name $.Values.nameOverride }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* An image: (list CONTEXT IMAGE REGISTRY). */}}
{{- define "mooring.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := index . 2 | trimSuffix "/" -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ default $.Chart.AppVersion $image.tag }}{{- end -}}
{{- end -}}

{{- define "mooring.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Names of Secrets and ConfigMaps that may be the operator's own. */}}
{{- define "mooring.sessionKeys" -}}{{ default (printf "%s-session-keys" (include "mooring.name" .)) .Values.sessionKeys.existingSecret }}{{- end -}}
{{- define "mooring.identityKeys" -}}{{ default (printf "%s-identity-keys" (include "mooring.name" .)) .Values.identityKeys.existingSecret }}{{- end -}}
{{- define "mooring.auth" -}}{{ default (printf "%s-auth" (include "mooring.name" .)) .Values.auth.existingConfigMap }}{{- end -}}
{{- define "mooring.policy" -}}
{{- if .Values.policy.existingConfigMap -}}
{{- .Values.policy.existingConfigMap -}}
{{- else if .Values.policy.config -}}
{{- include "mooring.name" . }}-policy
{{- end -}}
{{- end -}}
{{- define "mooring.xdsTLS" -}}
{{- if eq .Values.tls.mode "secrets" -}}{{ required "tls.secrets.xds is required with tls.mode secrets" .Values.tls.secrets.xds }}{{- else -}}{{ include "mooring.xds" . }}-tls{{- end -}}
{{- end -}}
{{- define "mooring.envoyTLS" -}}
{{- if eq .Values.tls.mode "secrets" -}}{{ required "tls.secrets.envoy is required with tls.mode secrets" .Values.tls.secrets.envoy }}{{- else -}}{{ include "mooring.envoy" . }}-tls{{- end -}}
{{- end -}}
{{- define "mooring.adminKey" -}}{{ include "mooring.name" . }}-admin-key{{- end -}}
