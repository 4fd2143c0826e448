{{/* The name of everything in a release. */}}
{{- define "signalhub.name" -}}
{{- if contains "signalhub" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-signalhub" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels by which pods are found; they never change. */}}
{{- define "signalhub.selector" -}}
app.kubernetes.io/name: signalhub
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "signalhub.labels" -}}
{{ include "signalhub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What a schema cannot say. */}}
{{- define "signalhub.check" -}}
{{- if not .Values.secrets.existingSecret -}}
{{- fail "secrets.existingSecret: name a Secret with the keys auth-secret and admin-token" -}}
{{- end -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.cluster.enabled) -}}
{{- fail "replicaCount: more than one node needs cluster.enabled" -}}
{{- end -}}
{{- if and .Values.cluster.enabled (not .Values.cluster.redis.url) -}}
{{- fail "cluster.redis.url: name the Redis servers" -}}
{{- end -}}
{{- if and .Values.cluster.enabled .Values.persistence.enabled -}}
{{- fail "persistence.enabled: the events of a cluster are in Redis, so there is nothing to keep" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host: name the host that clients use" -}}
{{- end -}}
{{- end -}}
