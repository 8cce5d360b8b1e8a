// Checks a downloaded log with golang.org/x/mod/sumdb (note, tlog), which is where these formats come from:
//
//	main DIR KEY OLD-CHECKPOINT RECEIPTS
//
// or cosigns its checkpoint as a witness would (C2SP tlog-cosignature, v1), and prints the witness's key:
//
//	main cosign DIR KEY
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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

// A witness of its own: note.Verifier and note.Signer, so that the library reads and writes the lines.
type witness struct{ key ed25519.PrivateKey }

const witnessAt = 1764115200

func (w witness) Name() string   { return "go.example/witness" }
func (w witness) public() []byte { return append([]byte{4}, w.key.Public().(ed25519.PublicKey)...) }
func (w witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.Name()+"\n"), w.public()...))
	return binary.BigEndian.Uint32(sum[:])
}
func (w witness) Sign(msg []byte) ([]byte, error) {
	at := make([]byte, 8)
	binary.BigEndian.PutUint64(at, witnessAt)
	return append(at, ed25519.Sign(w.key, append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", witnessAt)), msg...))...), nil
}
func (w witness) Verify(msg, sig []byte) bool {
	again, _ := w.Sign(msg)
	return bytes.Equal(again, sig)
}

func cosign(dir, key string) {
	path := filepath.Join(dir, "checkpoint")
	text, err := os.ReadFile(path)
	must(err)
	open(text, key)
	log, err := note.NewVerifier(key)
	must(err)
	seed := sha256.Sum256([]byte("a witness of the tests"))
	w := witness{ed25519.NewKeyFromSeed(seed[:])}
	n, err := note.Open(text, note.VerifierList(log))
	must(err)
	signed, err := note.Sign(n, w)
	must(err)
	if n, err = note.Open(signed, note.VerifierList(log, w)); err != nil || len(n.Sigs) != 2 {
		must(fmt.Errorf("cosigned: %v, %v", n, err))
	}
	must(os.WriteFile(path, signed, 0o644))
	fmt.Printf("%s+%08x+%s\n", w.Name(), w.KeyHash(), base64.StdEncoding.EncodeToString(w.public()))
}

func main() {
	if os.Args[1] == "cosign" {
		cosign(os.Args[2], os.Args[3])
		return
	}
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
	before, err := tlog.TreeHash(old.N, tlog.TileHashReader(old, files(dir))) // from the partial tiles of its own time
	must(err)
	if before != old.Hash {
		must(fmt.Errorf("old root %v", before))
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
