{{/* Labels of an object; the argument is (dict "root" $ "part" "service"). */}}
{{- define "needle.labels" -}}
app.kubernetes.io/name: needle
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "needle.selector" -}}
app.kubernetes.io/name: needle
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "needle.fullname" -}}
{{- if contains "needle" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-needle" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "needle.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "needle.secret" -}}
{{ .Values.existingSecret | default (printf "%s-secrets" (include "needle.fullname" .)) }}
{{- end }}

{{- define "needle.homeClaim" -}}
{{ .Values.home.existingClaim | default (printf "%s-home" (include "needle.fullname" .)) }}
{{- end }}

{{- define "needle.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "needle.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The environment of every process of Needle. */}}
{{- define "needle.environment" -}}
{{- $name := include "needle.fullname" . -}}
{{- $secret := include "needle.secret" . -}}
- {name: NEEDLE_HOME, value: /data/home}
- {name: NEEDLE_STORAGE, value: {{ .Values.storage | quote }}}
{{- with .Values.library | default (ternary "/footage" "" (ne .Values.footage.claim "")) }}
- {name: NEEDLE_LIBRARY, value: {{ . | quote }}}
{{- end }}
{{- with .Values.publicUrl }}
- {name: NEEDLE_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.s3Endpoint | default (ternary (printf "http://%s-s3:9000" $name) "" .Values.s3.enabled) }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.settings.AWS_DEFAULT_REGION | default "us-east-1" | quote }}}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}, optional: true}}
{{- end }}
{{- with .Values.qdrant.url | default (ternary (printf "http://%s-qdrant:6333" $name) "" .Values.qdrant.enabled) }}
- {name: NEEDLE_QDRANT_URL, value: {{ . | quote }}}
- name: NEEDLE_QDRANT_API_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: NEEDLE_QDRANT_API_KEY, optional: true}}
{{- end }}
{{- with ternary (printf "needle@%s-postgres:5432/needle" $name) .Values.postgres.address .Values.postgres.enabled }}
{{- $parts := splitn "@" 2 . }}
- name: POSTGRES_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: POSTGRES_PASSWORD}}
- {name: NEEDLE_POSTGRES, value: {{ printf "postgresql://%s:$(POSTGRES_PASSWORD)@%s" $parts._0 $parts._1 | quote }}}
{{- end }}
{{- if .Values.ray.enabled }}
- {name: NEEDLE_ENGINE, value: ray}
- {name: NEEDLE_RAY_ADDRESS, value: {{ include "needle.rayAddress" . | quote }}}
{{- end }}
{{- range $key, $value := omit .Values.settings "AWS_DEFAULT_REGION" }}
- {name: {{ $key }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "needle.rayAddress" -}}
{{ .Values.ray.address | default (printf "%s-ray:6379" (include "needle.fullname" .)) }}
{{- end }}

{{/* Memory that the processes of a node of Ray share. */}}
{{- define "needle.rayMount" -}}
{{- if .Values.ray.enabled }}
- {name: shm, mountPath: /dev/shm}
{{- end }}
{{- end }}

{{- define "needle.rayVolume" -}}
{{- if .Values.ray.enabled }}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: 4Gi}
{{- end }}
{{- end }}

{{- define "needle.mounts" -}}
- {name: home, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- if .Values.footage.claim }}
- {name: footage, mountPath: /footage, readOnly: true}
{{- end }}
{{- end }}

{{- define "needle.volumes" -}}
- name: home
  persistentVolumeClaim: {claimName: {{ include "needle.homeClaim" . }}}
- name: tmp
  emptyDir: {}
{{- with .Values.footage.claim }}
- name: footage
  persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
{{- end }}
{{- end }}

{{/* A volume that only one node can mount keeps the pods that share it together. */}}
{{- define "needle.affinity" -}}
{{- if eq .Values.home.accessMode "ReadWriteOnce" }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}, needle/home: shared}
{{- end }}
{{- end }}
