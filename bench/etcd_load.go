// etcd_load: closed-loop load on etcd 3.4 for bench/peers.py, which builds it:
// GO111MODULE=off GOPATH=/usr/share/gocode go build etcd_load.go (Debian: golang-go, golang-etcd-server-dev).
// usage: etcd_load -ep HOST:PORT -op put|lget|sget -c CLIENTS -s SECONDS   (lget linearizable, sget serializable: may be stale)
// Prints operations a second, p50 and p99 in milliseconds.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const conns = 8 // shared by the clients, as etcd's own benchmark does

var (
	op   = flag.String("op", "put", "put, lget or sget")
	keys = flag.Int("r", 100000, "different keys")
)

func operation(client *clientv3.Client, key, value string) error {
	var err error
	switch *op {
	case "put":
		_, err = client.Put(context.Background(), key, value)
	case "lget":
		_, err = client.Get(context.Background(), key)
	case "sget":
		_, err = client.Get(context.Background(), key, clientv3.WithSerializable())
	default:
		err = fmt.Errorf("-op %s: there are put, lget and sget", *op)
	}
	return err
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd_load:", err)
		os.Exit(1)
	}
}

// Operations one after the other until the end; how long each took, in milliseconds.
func one(client *clientv3.Client, seed int64, value string, end time.Time) []float64 {
	random := rand.New(rand.NewSource(seed))
	var took []float64
	for {
		begin := time.Now()
		if begin.After(end) {
			return took
		}
		check(operation(client, fmt.Sprintf("key:%012d", random.Intn(*keys)), value))
		took = append(took, time.Since(begin).Seconds()*1e3)
	}
}

func main() {
	endpoint := flag.String("ep", "127.0.0.1:2379", "the member to ask")
	clients := flag.Int("c", 64, "clients, one operation outstanding each")
	seconds := flag.Float64("s", 5, "how long")
	size := flag.Int("d", 64, "bytes of a value")
	flag.Parse()

	connections := make([]*clientv3.Client, conns)
	for i := range connections {
		var err error
		connections[i], err = clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 5 * time.Second})
		check(err)
		_, err = connections[i].Get(context.Background(), "key") // connects
		check(err)
	}
	took := make([][]float64, *clients)
	value := strings.Repeat("x", *size)
	var all sync.WaitGroup
	begin := time.Now()
	end := begin.Add(time.Duration(*seconds * float64(time.Second)))
	for i := range took {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			took[i] = one(connections[i%conns], int64(i), value, end)
		}(i)
	}
	all.Wait()
	lasted := time.Since(begin).Seconds()
	var latencies []float64
	for _, list := range took {
		latencies = append(latencies, list...)
	}
	sort.Float64s(latencies)
	fmt.Printf("%.1f %.4f %.4f\n", float64(len(latencies))/lasted, latencies[len(latencies)/2], latencies[len(latencies)*99/100])
}
