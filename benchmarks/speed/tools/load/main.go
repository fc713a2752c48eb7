// Command load calls one gRPC method from a number of callers, each as fast as it is answered, and
// prints what came of it as JSON.
//
// It speaks HTTP/2 by frames: messages are bytes made beforehand and are not decoded, so that the load costs little beside what
// it measures. Every answer counts only if its status is OK and it has what it must have.
package main

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

type job struct {
	method  string
	request []byte
	bytes   int // the least that an answer must have
	items   int // what a stream must bring to its end

	limited   bool         // whether only so many calls are made
	left      atomic.Int64 // how many they are still
	measuring atomic.Bool
	counted   atomic.Bool // a call or an error has been counted
}

// another tells whether one more call is to be made.
func (j *job) another() bool { return !j.limited || j.left.Add(-1) >= 0 }

// tally is what one connection has seen while it was measured.
type tally struct {
	calls, messages, items, errors int64
	latencies                      []time.Duration
	problem                        string
}

type result struct {
	Calls     int64   `json:"calls"`
	Messages  int64   `json:"messages"`
	Items     int64   `json:"items"`
	Errors    int64   `json:"errors"`
	Problem   string  `json:"problem,omitempty"`
	Seconds   float64 `json:"seconds"`
	ServerCPU float64 `json:"server_cpu"`
	LoadCPU   float64 `json:"load_cpu"`
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	Max       float64 `json:"max"`
}

// count returns how often field 1 is in a message of length-delimited fields only.
func count(message []byte) int {
	items := 0
	for at := 0; at < len(message); {
		if message[at] == 1<<3|2 {
			items++
		}
		at++
		length, shift := 0, 0
		for ; message[at] >= 0x80; at++ {
			length |= int(message[at]&0x7f) << shift
			shift += 7
		}
		length |= int(message[at]) << shift
		at += 1 + length
	}
	return items
}

// processCPU returns the seconds that all threads of processes have had, to the nanosecond. The
// number of the clock is how Linux names the CPU clock of a process: see clock_getcpuclockid(3).
func processCPU(pids []int) float64 {
	total := 0.0
	for _, pid := range pids {
		var time unix.Timespec
		if err := unix.ClockGettime(int32(^pid)<<3|2, &time); err != nil {
			log.Fatalf("no CPU time of process %d: %v", pid, err)
		}
		total += float64(time.Nano()) / 1e9
	}
	return total
}

func main() {
	target := flag.String("target", "", "host:port of the gateway")
	method := flag.String("method", "", "/package.Service/Method")
	request := flag.String("request", "", "the request message, in hexadecimal digits")
	callers := flag.Int("callers", 1, "calls in flight at once")
	connections := flag.Int("connections", 1, "connections that the callers share")
	seconds := flag.Float64("seconds", 1, "how long to measure")
	warmup := flag.Float64("warmup", 0.3, "how long to call before that")
	calls := flag.Int64("calls", 0, "measure so many calls instead")
	items := flag.Int("items", 0, "how many items of field 1 a whole stream has")
	least := flag.Int("bytes", 0, "the least size of an answer")
	pids := flag.String("pids", "", "processes whose CPU time to take, with commas between")
	flag.Parse()

	message, err := hex.DecodeString(*request)
	if err != nil {
		log.Fatal(err)
	}
	var servers []int
	for _, text := range strings.Split(*pids, ",") {
		if text != "" {
			pid, err := strconv.Atoi(text)
			if err != nil {
				log.Fatal(err)
			}
			servers = append(servers, pid)
		}
	}
	work := &job{method: *method, request: message, bytes: *least, items: *items, limited: *calls > 0}
	work.left.Store(*calls)
	work.measuring.Store(work.limited)

	var everybody []*connection
	for range *connections {
		connection, err := dial(*target, work)
		if err != nil {
			log.Fatal(err)
		}
		everybody = append(everybody, connection)
	}
	var over atomic.Bool
	var running sync.WaitGroup
	started, server, own := time.Now(), processCPU(servers), processCPU([]int{os.Getpid()})
	for i, connection := range everybody {
		share := *callers / *connections
		if i < *callers%*connections {
			share++
		}
		running.Add(1)
		go func() {
			defer running.Done()
			if err := connection.run(share); err != nil && !over.Load() {
				connection.tally.errors++
				connection.tally.problem = err.Error()
				work.counted.Store(true)
			}
		}()
	}
	if work.limited {
		running.Wait()
	} else {
		time.Sleep(time.Duration(*warmup * float64(time.Second)))
		started, server, own = time.Now(), processCPU(servers), processCPU([]int{os.Getpid()})
		work.measuring.Store(true)
		time.Sleep(time.Duration(*seconds * float64(time.Second)))
		// On a busy machine no call may have ended by now, and a rate needs one.
		for !work.counted.Load() {
			time.Sleep(time.Millisecond)
		}
	}
	outcome := result{
		Seconds:   time.Since(started).Seconds(),
		ServerCPU: processCPU(servers) - server,
		LoadCPU:   processCPU([]int{os.Getpid()}) - own,
	}
	work.measuring.Store(false)
	over.Store(true)
	for _, connection := range everybody {
		_ = connection.socket.Close()
	}
	running.Wait()

	var latencies []time.Duration
	for _, connection := range everybody {
		tally := &connection.tally
		outcome.Calls += tally.calls
		outcome.Messages += tally.messages
		outcome.Items += tally.items
		outcome.Errors += tally.errors
		latencies = append(latencies, tally.latencies...)
		if tally.problem != "" {
			outcome.Problem = tally.problem
		}
	}
	slices.Sort(latencies)
	if last := len(latencies) - 1; last >= 0 {
		quantile := func(part float64) float64 { return latencies[int(part*float64(last))].Seconds() }
		outcome.P50, outcome.P90, outcome.P99, outcome.Max = quantile(0.5), quantile(0.9), quantile(0.99), quantile(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcome); err != nil {
		log.Fatal(err)
	}
}
