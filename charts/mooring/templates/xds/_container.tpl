{{- define "mooring.xdsContainer" -}}
- name: xds
  image: {{ include "mooring.image" (list . .Values.images.xds .Values.images.registry) }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  args:
  - kubernetes
  - --namespace={{ include "mooring.adapters" . }}
  - --settings=/etc/mooring/settings/settings.yaml
  - --ads-listen=0.0.0.0:18000
  - --api-listen=0.0.0.0:18001
  - --control-ops-listen=0.0.0.0:9091
  - --tls-dir=/etc/mooring/tls
  - --peers={{ include "mooring.xdsHost" . }}:18000
  - --envoys={{ include "mooring.envoyHost" . }}:9090
  - --session-keys=/etc/mooring/session-keys
  - --identity-keys=/etc/mooring/identity-keys
  - --public-url={{ include "mooring.publicURL" . }}
  - --listen=0.0.0.0:8080
  - --ops-listen=0.0.0.0:9090
  - --log-level={{ .Values.xds.logLevel }}
  {{- if .Values.xds.audit }}
  - --audit=-
  {{- end }}
  {{- if include "mooring.identified" . }}
  - --auth=/etc/mooring/auth/auth.yaml
  {{- end }}
  {{- if include "mooring.policy" . }}
  - --policy=/etc/mooring/policy/policy.yaml
  {{- end }}
  {{- include "mooring.limits" . | nindent 2 }}
  - --concurrent-requests={{ int .Values.limits.concurrentRequests }}
  - --request-timeout={{ .Values.limits.requestTimeout }}
  - --stream-duration={{ .Values.limits.streamDuration }}
  env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  {{- with .Values.xds.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  - name: ads
    containerPort: 18000
  - name: api
    containerPort: 18001
  - name: ops
    containerPort: 9091
  readinessProbe:
    httpGet:
      path: /readyz
      port: ops
    periodSeconds: 3
    timeoutSeconds: 3
    failureThreshold: 2
  startupProbe:
    httpGet:
      path: /healthz
      port: ops
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 60
  livenessProbe:
    httpGet:
      path: /healthz
      port: ops
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  {{- with int .Values.xds.drain.seconds }}
  lifecycle:
    preStop:
      sleep:
        seconds: {{ . }}
  {{- end }}
  resources:
    {{- toYaml .Values.xds.resources | nindent 4 }}
  {{- include "mooring.containerSecurity" . | nindent 2 }}
  volumeMounts:
  - name: settings
    mountPath: /etc/mooring/settings
    readOnly: true
  - name: tls
    mountPath: /etc/mooring/tls
    readOnly: true
  - name: session-keys
    mountPath: /etc/mooring/session-keys
    readOnly: true
  - name: identity-keys
    mountPath: /etc/mooring/identity-keys
    readOnly: true
  {{- if include "mooring.identified" . }}
  - name: auth
    mountPath: /etc/mooring/auth
    readOnly: true
  {{- end }}
  {{- if include "mooring.policy" . }}
  - name: policy
    mountPath: /etc/mooring/policy
    readOnly: true
  {{- end }}
  {{- with .Values.xds.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
