// Holds files to what their products make of them: a dashboard to Grafana's schema, a compose file to the loader of Docker Compose.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: checker dashboard FILE | checker compose FILE...")
	}
	switch args[0] {
	case "dashboard":
		return checkDashboard(args[1])
	case "compose":
		return checkCompose(args[1:])
	}
	return fmt.Errorf("checker knows dashboard and compose, not %s", args[0])
}

// Strict: a field that Grafana does not know, one that lacks and one of another type are faults, within panels, queries and options too.
func checkDashboard(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plugins.RegisterDefaultPlugins()
	read := dashboard.Dashboard{}
	// It returns a list as an error, an empty one too.
	var faults cog.BuildErrors
	if err := read.UnmarshalJSONStrict(text); err != nil && !(errors.As(err, &faults) && len(faults) == 0) {
		return err
	}
	if err := read.Validate(); err != nil {
		return err
	}
	fmt.Printf("%d panels\n", len(read.Panels))
	return nil
}

// As `docker compose --profile "*" config` reads it.
func checkCompose(paths []string) error {
	options, err := cli.NewProjectOptions(paths, cli.WithOsEnv, cli.WithDefaultProfiles("*"))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	names := project.ServiceNames()
	sort.Strings(names)
	fmt.Println(names)
	return nil
}
