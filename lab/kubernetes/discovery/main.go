// Prometheus' own discovery of Kubernetes targets, as a program: Debian builds Prometheus without it. It keeps a
// file of targets per role, which Prometheus watches (file_sd_configs).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// targets is one entry of a file_sd file.
type targets struct {
	Targets []model.LabelValue `json:"targets"`
	Labels  model.LabelSet     `json:"labels"`
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of a user who may list what the roles need")
	folder := flag.String("folder", "", "where the files are kept, one per role")
	flag.Parse()

	registry := prometheus.NewRegistry()
	metrics, err := discovery.CreateAndRegisterSDMetrics(registry)
	check(err)
	manager := discovery.NewManager(context.Background(), slog.Default(), registry, metrics)
	configs := map[string]discovery.Configs{}
	for _, role := range flag.Args() {
		config := kubernetes.DefaultSDConfig
		config.Role = kubernetes.Role(role)
		config.KubeConfig = *kubeconfig
		configs[role] = discovery.Configs{&config}
	}
	check(manager.ApplyConfig(configs))
	go func() { check(manager.Run()) }()
	for roles := range manager.SyncCh() {
		for role, groups := range roles {
			check(write(filepath.Join(*folder, role+".json"), flatten(groups)))
		}
	}
}

// flatten gives each target an entry of its own, since targets have labels beside their group's.
func flatten(groups []*targetgroup.Group) []targets {
	all := []targets{}
	for _, group := range groups {
		for _, target := range group.Targets {
			labels := group.Labels.Merge(target)
			address := labels[model.AddressLabel]
			delete(labels, model.AddressLabel)
			all = append(all, targets{[]model.LabelValue{address}, labels})
		}
	}
	return all
}

// write replaces a file at once, so that Prometheus never reads half of it.
func write(path string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
