// Proxy writes a module into a folder for GOPROXY: proxy MODULE_FOLDER VERSION OUT_FOLDER
package main

import (
	"log"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	source, version, out := os.Args[1], os.Args[2], os.Args[3]
	goMod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	check(err)
	path := modfile.ModulePath(goMod)
	folder := filepath.Join(out, path, "@v")
	check(os.MkdirAll(folder, 0o755))

	archive, err := os.Create(filepath.Join(folder, version+".zip"))
	check(err)
	check(zip.CreateFromDir(archive, module.Version{Path: path, Version: version}, source))
	check(archive.Close())
	for name, content := range map[string]string{
		version + ".mod":  string(goMod),
		version + ".info": `{"Version": "` + version + `"}`,
		"list":            version + "\n",
	} {
		check(os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
