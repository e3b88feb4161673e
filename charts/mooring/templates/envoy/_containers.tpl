{{- define "mooring.envoyContainer" -}}
- name: envoy
  image: {{ include "mooring.image" (list . .Values.images.envoy .Values.images.envoy.registry) }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  restartPolicy: Always
  args:
  - --config-path
  - /etc/mooring/envoy/bootstrap.yaml
  - --service-node
  - $(POD_NAMESPACE)/$(POD_NAME)
  - --concurrency
  - {{ .Values.envoy.concurrency | quote }}
  - --log-level
  - {{ get (dict "debug" "debug" "info" "info" "warn" "warning" "error" "error") .Values.envoy.logLevel }}
  - --drain-strategy
  - immediate
  - --disable-hot-restart
  env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  ports:
  - name: public
    containerPort: 8080
  - name: ops
    containerPort: 9090
  readinessProbe:
    {{- include "mooring.healthOf" "envoy" | nindent 4 }}
    periodSeconds: 3
    timeoutSeconds: 3
    failureThreshold: 2
  # A first start waits for the control plane.
  startupProbe:
    {{- include "mooring.healthOf" "envoy" | nindent 4 }}
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 600
  livenessProbe:
    {{- include "mooring.healthOf" "envoy" | nindent 4 }}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  resources:
    {{- toYaml .Values.envoy.resources | nindent 4 }}
  {{- include "mooring.containerSecurity" . | nindent 2 }}
  volumeMounts:
  - name: sockets
    mountPath: /run/mooring
  - name: bootstrap
    mountPath: /etc/mooring/envoy
    readOnly: true
  - name: tls
    mountPath: /etc/mooring/tls
    readOnly: true
{{- end -}}


{{- define "mooring.extprocContainer" -}}
- name: extproc
  image: {{ include "mooring.image" (list . .Values.images.extproc .Values.images.registry) }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  args:
  - serve
  - --socket=/run/mooring/extproc.sock
  - --ops-socket=/run/mooring/extproc-ops.sock
  - --session-keys=/etc/mooring/session-keys
  - --identity-keys=/etc/mooring/identity-keys
  - --public-url={{ include "mooring.publicURL" . }}
  - --listen=0.0.0.0:8080
  - --log-level={{ .Values.extproc.logLevel }}
  {{- if .Values.extproc.audit }}
  - --audit=-
  {{- end }}
  {{- if .Values.extproc.accessLog }}
  - --access-log=-
  {{- end }}
  {{- if include "mooring.identified" . }}
  - --auth=/etc/mooring/auth/auth.yaml
  - --api-keys=/var/lib/mooring/apikeys.json
  - --api-keys-from={{ include "mooring.xdsHost" . }}:18000
  - --tls-dir=/etc/mooring/tls
  {{- end }}
  {{- include "mooring.limits" . | nindent 2 }}
  - --max-body-pause={{ .Values.limits.maxBodyPause }}
  - --concurrent-streams={{ int .Values.limits.concurrentStreams }}
  - --concurrent-streams-per-principal={{ int .Values.limits.concurrentStreamsPerPrincipal }}
  - --session-ttl={{ .Values.limits.sessionTTL }}
  {{- with .Values.extproc.extraEnv }}
  env:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  # It is asked through Envoy, which starts before it.
  readinessProbe:
    {{- include "mooring.healthOf" "extproc" | nindent 4 }}
    periodSeconds: 3
    timeoutSeconds: 3
    failureThreshold: 2
  startupProbe:
    {{- include "mooring.healthOf" "extproc" | nindent 4 }}
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 600
  livenessProbe:
    {{- include "mooring.healthOf" "extproc" | nindent 4 }}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  lifecycle:
    preStop:
      exec:
        command:
        - /extproc
        - drain
        - --admin-socket=/run/mooring/admin.sock
        - --for={{ .Values.envoy.drain.seconds }}s
  resources:
    {{- toYaml .Values.extproc.resources | nindent 4 }}
  {{- include "mooring.containerSecurity" . | nindent 2 }}
  volumeMounts:
  - name: sockets
    mountPath: /run/mooring
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
  - name: tls
    mountPath: /etc/mooring/tls
    readOnly: true
  - name: state
    mountPath: /var/lib/mooring
  {{- end }}
  {{- with .Values.extproc.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* A probe of a part, through Envoy's operations listener. It never asks the control plane: traffic goes on without. */}}
{{- define "mooring.healthOf" -}}
httpGet:
  path: /healthz/{{ . }}
  port: 9090
{{- end -}}
