// etcd_load: closed-loop load on etcd 3.4, to be measured beside kvorum in one run (bench/run.sh).
// Debian: golang-go, golang-etcd-server-dev. Build: GO111MODULE=off GOPATH=/usr/share/gocode go build etcd_load.go
// Run: ./etcd_load -ep 127.0.0.1:7601 -op put|lget|sget -c 64 -n 30000   (lget linearizable, sget serializable: may be stale)
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

func main() {
	n := flag.Int64("n", 30000, "operations")
	c := flag.Int("c", 64, "clients, one operation outstanding each")
	conns := flag.Int("conns", 8, "connections shared by the clients")
	op := flag.String("op", "put", "put, lget or sget")
	ep := flag.String("ep", "127.0.0.1:7600", "endpoint")
	size := flag.Int("d", 64, "value bytes")
	keys := flag.Int("r", 100000, "key space")
	flag.Parse()

	clients := make([]*clientv3.Client, *conns)
	for i := range clients {
		cl, err := clientv3.New(clientv3.Config{Endpoints: []string{*ep}, DialTimeout: 5 * time.Second})
		if err != nil {
			panic(err)
		}
		clients[i] = cl
	}
	var done int64
	latency := make([][]float64, *c)
	value := string(make([]byte, *size))
	var wg sync.WaitGroup
	began := time.Now()
	for i := 0; i < *c; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			r, cl := rand.New(rand.NewSource(int64(i))), clients[i%*conns]
			for atomic.AddInt64(&done, 1) <= *n {
				key := fmt.Sprintf("key:%012d", r.Intn(*keys))
				start := time.Now()
				var err error
				switch *op {
				case "put":
					_, err = cl.Put(context.Background(), key, value)
				case "lget":
					_, err = cl.Get(context.Background(), key)
				case "sget":
					_, err = cl.Get(context.Background(), key, clientv3.WithSerializable())
				}
				if err != nil {
					panic(err)
				}
				latency[i] = append(latency[i], time.Since(start).Seconds()*1e3)
			}
		}(i)
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	var all []float64
	for _, l := range latency {
		all = append(all, l...)
	}
	sort.Float64s(all)
	fmt.Printf("etcd %s c=%d: %.0f ops/s p50=%.3fms p99=%.3fms\n", *op, *c, float64(*n)/took, all[len(all)/2], all[len(all)*99/100])
}
