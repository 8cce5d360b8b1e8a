// Checks a downloaded log with golang.org/x/mod/sumdb (note, tlog), which is where these formats come from:
//   main DIR KEY OLD-CHECKPOINT RECEIPTS
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println("no:", err)
		os.Exit(1)
	}
}

func open(text []byte, key string) tlog.Tree {
	verifier, err := note.NewVerifier(key)
	must(err)
	n, err := note.Open(text, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(n.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	if lines[0] != verifier.Name() {
		must(fmt.Errorf("origin %s", lines[0]))
	}
	return tlog.Tree{N: size, Hash: root}
}

type files string

func name(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

func (dir files) Height() int                         { return 8 }
func (dir files) SaveTiles(t []tlog.Tile, d [][]byte) {}
func (dir files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		path := fmt.Sprintf("tile/%d/%s", t.L, name(t.N))
		if t.W < 256 {
			path += fmt.Sprintf(".p/%d", t.W)
		}
		bytes, err := os.ReadFile(filepath.Join(string(dir), path))
		if err != nil {
			return nil, err
		}
		all = append(all, bytes)
	}
	return all, nil
}

type receipt struct {
	Leaf       string
	Index      int64
	Checkpoint string
	Proof      []string
}

func main() {
	dir, key := os.Args[1], os.Args[2]
	read := func(path string) []byte { bytes, err := os.ReadFile(path); must(err); return bytes }
	tree, old := open(read(filepath.Join(dir, "checkpoint")), key), open(read(os.Args[3]), key)
	reader := tlog.TileHashReader(tree, files(dir))
	root, err := tlog.TreeHash(tree.N, reader)
	must(err)
	if root != tree.Hash {
		must(fmt.Errorf("root %v", root))
	}
	for n := int64(0); n < tree.N; n += 256 {
		width := tree.N - n
		path := fmt.Sprintf("tile/entries/%s", name(n/256))
		if width < 256 {
			path += fmt.Sprintf(".p/%d", width)
		} else {
			width = 256
		}
		bytes := read(filepath.Join(dir, path))
		for i := int64(0); i < width; i++ {
			length := int(bytes[0])<<8 | int(bytes[1])
			leaf := bytes[2 : 2+length]
			bytes = bytes[2+length:]
			hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, n+i)})
			must(err)
			if hashes[0] != tlog.RecordHash(leaf) {
				must(fmt.Errorf("leaf %d", n+i))
			}
		}
		if len(bytes) != 0 {
			must(fmt.Errorf("bundle %d is too long", n/256))
		}
	}
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	must(err)
	must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	var receipts []receipt
	must(json.Unmarshal(read(os.Args[4]), &receipts))
	for _, r := range receipts {
		at := open([]byte(r.Checkpoint), key)
		var path tlog.RecordProof
		for _, text := range r.Proof {
			bytes, err := base64.StdEncoding.DecodeString(text)
			must(err)
			var h tlog.Hash
			copy(h[:], bytes)
			path = append(path, h)
		}
		must(tlog.CheckRecord(path, at.N, at.Hash, r.Index, tlog.RecordHash([]byte(r.Leaf))))
	}
	fmt.Printf("yes: %d leaves, after %d, %d receipts\n", tree.N, old.N, len(receipts))
}
