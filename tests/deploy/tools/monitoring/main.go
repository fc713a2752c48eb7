// Command monitoring reads one ServiceMonitor from standard input as Prometheus Operator does, and
// refuses fields that it does not know: the schemas of Kubernetes itself do not have this kind.
package main

import (
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	var monitor monitoringv1.ServiceMonitor
	return yaml.UnmarshalStrict(text, &monitor)
}
