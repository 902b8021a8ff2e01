{{/* The release's name, with the chart's in it. */}}
{{- define "shoal.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-shoal" .Release.Name) (contains "shoal" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "shoal.operator" -}}{{ include "shoal.fullname" . }}-operator{{- end }}

{{- define "shoal.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "shoal.operator" .) }}
{{- else -}}
{{ required "serviceAccount.name is empty: name an account that exists, or set serviceAccount.create to true" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* Labels by which pods of one component are found: (list . "operator"). */}}
{{- define "shoal.selector" -}}
app.kubernetes.io/name: shoal
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of everything: (list . "operator"). */}}
{{- define "shoal.labels" -}}
{{ include "shoal.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image's full name: (list . .Values.image). */}}
{{- define "shoal.image" -}}
{{- $context := index . 0 -}}{{- $image := index . 1 -}}
{{- with $context.Values.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $context.Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* What the restricted Pod Security Standard asks of a pod. */}}
{{- define "shoal.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What it asks of a container. */}}
{{- define "shoal.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The namespaces where Fleets may run, as a JSON list. */}}
{{- define "shoal.fleetNamespaces" -}}
{{ .Values.rbac.fleetNamespaces | default (list .Release.Namespace) | uniq | toJson }}
{{- end }}

{{/* The default Fleet's spec, as JSON: it takes its image from the same registry as the operator. */}}
{{- define "shoal.defaultFleetSpec" -}}
{{- $spec := deepCopy .Values.defaultFleet.spec }}
{{- with .Values.imagePullSecrets }}
{{- $names := list }}
{{- range . }}{{ $names = append $names .name }}{{ end }}
{{- $_ := set $spec "ray" (merge ($spec.ray | default dict) (dict "imagePullSecrets" $names)) }}
{{- end }}
{{- toJson $spec }}
{{- end }}

{{/* What the pods that run once, in the operator's image, have in common: (dict "context" . "account" NAME). */}}
{{- define "shoal.chore" -}}
restartPolicy: Never
serviceAccountName: {{ .account }}
{{- with .context.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "shoal.podSecurityContext" . | nindent 2 }}
{{- with .context.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .context.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "shoal.choreContainer" -}}
image: {{ include "shoal.image" (list . .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [python3, -m, shoal.installation]
resources:
  requests: {cpu: 50m, memory: 128Mi}
  limits: {memory: 256Mi}
securityContext:
  {{- include "shoal.securityContext" . | nindent 2 }}
{{- end }}

{{/* Annotations of what is there for a moment, and then gone whatever its end: (list EVENTS WEIGHT). Helm prints what a failed pod said. */}}
{{- define "shoal.hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
helm.sh/hook-output-log-policy: hook-failed
{{- end }}
