{{- define "pulltrace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pulltrace.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "pulltrace.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "pulltrace.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Name of cluster-wide objects, different for two releases of one name in two namespaces. */}}
{{- define "pulltrace.clusterName" -}}
{{- $name := include "pulltrace.fullname" . }}
{{- if eq $name .Release.Namespace }}{{ $name }}{{ else }}{{ printf "%s-%s" .Release.Namespace $name }}{{ end }}
{{- end }}

{{- define "pulltrace.agentName" -}}
{{ include "pulltrace.fullname" . }}-agent
{{- end }}

{{- define "pulltrace.aggregatorName" -}}
{{ include "pulltrace.fullname" . }}-aggregator
{{- end }}

{{/* Allowed host names: the Service's short name, the hosts of Ingress and HTTPRoute, and the listed ones. An HTTPRoute
without hostnames accepts all names of its Gateway. */}}
{{- define "pulltrace.allowedHosts" -}}
{{- $hosts := concat (list (printf "%s.%s" (include "pulltrace.fullname" .) .Release.Namespace)) .Values.aggregator.allowedHosts }}
{{- if .Values.ingress.enabled }}
{{- range .Values.ingress.hosts }}{{ $hosts = append $hosts .host }}{{ end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- $hosts = concat $hosts (default (list "*") .Values.httpRoute.hostnames) }}
{{- end }}
{{- join "," (uniq $hosts) }}
{{- end }}

{{/* name, namespace, labels and annotations. Takes root, component, and name or clusterName, labels, annotations. */}}
{{- define "pulltrace.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ default .root.Release.Namespace .namespace }}
{{- end }}
labels:
  {{- include "pulltrace.labels" . | nindent 2 }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pulltrace.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" (.root.Chart.AppVersion | toString)
  "app.kubernetes.io/part-of" "pulltrace"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_")) }}
{{- $selector := include "pulltrace.selector" . | fromYaml }}
{{- merge (dict) $selector $own (default (dict) .labels) .root.Values.commonLabels | toYaml }}
{{- end }}

{{- define "pulltrace.selector" -}}
app.kubernetes.io/name: {{ include "pulltrace.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of pods, without versions: a change of the chart alone restarts no pod. */}}
{{- define "pulltrace.podLabels" -}}
{{- $selector := include "pulltrace.selector" . | fromYaml }}
{{- merge (dict) $selector (dict "app.kubernetes.io/part-of" "pulltrace") (default (dict) .labels) .root.Values.commonLabels | toYaml }}
{{- end }}

{{/*
Takes root and image. A released chart names its own images by digest in Chart.yaml; the digest applies unless the
values set repository, tag or digest.
*/}}
{{- define "pulltrace.image" -}}
{{- $tagged := printf "%s:%s" .image.repository (default .root.Chart.AppVersion .image.tag) }}
{{- $digest := .image.digest }}
{{- if not (or .image.digest .image.tag) }}
{{- range index .root.Chart.Annotations "artifacthub.io/images" | fromYamlArray }}
{{- if hasPrefix (printf "%s@" $tagged) .image }}{{ $digest = last (splitList "@" .image) }}{{ end }}
{{- end }}
{{- end }}
{{- if $digest }}{{ .image.repository }}@{{ $digest }}{{ else }}{{ $tagged }}{{ end }}
{{- end }}

{{- define "pulltrace.preset" -}}
{{- $preset := .Values.agent.containerd.preset }}
{{- if ne $preset "auto" }}{{ $preset }}
{{- else if contains "+k3s" .Capabilities.KubeVersion.Version }}k3s
{{- else if contains "+rke2" .Capabilities.KubeVersion.Version }}rke2
{{- else if contains "+k0s" .Capabilities.KubeVersion.Version }}k0s
{{- else }}containerd
{{- end }}
{{- end }}

{{- define "pulltrace.socket" -}}
{{- $presets := dict
  "containerd" "/run/containerd/containerd.sock"
  "k3s" "/run/k3s/containerd/containerd.sock"
  "rke2" "/run/k3s/containerd/containerd.sock"
  "k0s" "/run/k0s/containerd.sock"
  "microk8s" "/var/snap/microk8s/common/run/containerd.sock" }}
{{- default (get $presets (include "pulltrace.preset" .)) .Values.agent.containerd.socket }}
{{- end }}

{{/* Whether the cluster has ValidatingAdmissionPolicy v1 and tokens with a node: "yes" or nothing. */}}
{{- define "pulltrace.knowsPolicies" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}yes{{ end }}
{{- end }}

{{/* Whether this install has the per-node policy: "yes" or nothing. */}}
{{- define "pulltrace.hasPerNodePolicy" -}}
{{- if and .Values.agent.perNodePolicy.enabled (include "pulltrace.knowsPolicies" .) }}yes{{ end }}
{{- end }}

{{/* Whether the cluster has recursive read-only mounts: "yes" or nothing. */}}
{{- define "pulltrace.knowsRecursiveReadOnly" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}yes{{ end }}
{{- end }}

{{/* Whether the cluster has FlowSchema v1: "yes" or nothing. */}}
{{- define "pulltrace.knowsFlowSchemas" -}}
{{- if semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version }}yes{{ end }}
{{- end }}

{{/* The ServiceAccount's token as a volume: bound to the pod, renewed each hour, only in this mount. */}}
{{- define "pulltrace.tokenVolume" -}}
name: kube-api-access
projected:
  defaultMode: 0444
  sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: kube-root-ca.crt
        items:
          - key: ca.crt
            path: ca.crt
    - downwardAPI:
        items:
          - path: namespace
            fieldRef:
              fieldPath: metadata.namespace
{{- end }}

{{- define "pulltrace.tokenMount" -}}
name: kube-api-access
mountPath: /var/run/secrets/kubernetes.io/serviceaccount
readOnly: true
{{- end }}

{{- define "pulltrace.podIdentity" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end }}

{{- define "pulltrace.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "pulltrace.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* tolerations, nodeSelector, affinity and priority class of agent or aggregator. */}}
{{- define "pulltrace.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* An update strategy; `rollingUpdate` is valid only with the type of that name. */}}
{{- define "pulltrace.strategy" -}}
type: {{ .type }}
{{- if and (eq .type "RollingUpdate") .rollingUpdate }}
rollingUpdate:
  {{- toYaml .rollingUpdate | nindent 2 }}
{{- end }}
{{- end }}
