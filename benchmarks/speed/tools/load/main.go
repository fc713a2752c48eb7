// Command load calls one gRPC method from a number of callers, each as fast as it is answered, and
// prints what came of it as JSON.
//
// Messages are bytes made beforehand and are not decoded, so that the load costs little beside what
// it measures. Every answer counts only if its status is OK and it has what it must have.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// raw hands messages through as the bytes they are.
type raw struct{}

func (raw) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (raw) Name() string                        { return "proto" }
func (raw) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = data
	return nil
}

type job struct {
	method  string
	request []byte
	stream  bool
	bytes   int   // the least that an answer must have
	items   int   // what a stream must bring to its end
	calls   int64 // how many to make; 0: until the time is over
}

// tally is what one caller has seen while it was measured.
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

type caller struct {
	job       *job
	channel   *grpc.ClientConn
	measuring *atomic.Bool
	left      *atomic.Int64
	tally     tally
}

func (c *caller) run(ctx context.Context) {
	for ctx.Err() == nil {
		if c.job.calls > 0 && c.left.Add(-1) < 0 {
			return
		}
		started := time.Now()
		call := c.unary
		if c.job.stream {
			call = c.list
		}
		err := call(ctx)
		switch {
		case ctx.Err() != nil:
			// What the end of the measurement has cut off says nothing.
		case err != nil:
			c.tally.errors++
			c.tally.problem = err.Error()
			time.Sleep(time.Millisecond)
		case c.measuring.Load():
			c.tally.calls++
			c.tally.latencies = append(c.tally.latencies, time.Since(started))
		}
	}
}

func (c *caller) unary(ctx context.Context) error {
	var answer []byte
	if err := c.channel.Invoke(ctx, c.job.method, &c.job.request, &answer); err != nil {
		return err
	}
	if len(answer) < c.job.bytes {
		return fmt.Errorf("an answer of %d bytes, not %d", len(answer), c.job.bytes)
	}
	return nil
}

func (c *caller) list(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, c.job.method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&c.job.request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	seen := 0
	for {
		var answer []byte
		err := stream.RecvMsg(&answer)
		if errors.Is(err, io.EOF) {
			if seen != c.job.items {
				return fmt.Errorf("a list of %d, not %d", seen, c.job.items)
			}
			return nil
		}
		if err != nil {
			return err
		}
		items := count(answer)
		seen += items
		if c.measuring.Load() {
			c.tally.messages++
			c.tally.items += int64(items)
		}
	}
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
	stream := flag.Bool("stream", false, "the method answers with a stream")
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
	work := &job{*method, message, *stream, *least, *items, *calls}

	var channels []*grpc.ClientConn
	for range *connections {
		channel, err := grpc.NewClient("passthrough:///"+*target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(1<<24)))
		if err != nil {
			log.Fatal(err)
		}
		channels = append(channels, channel)
	}

	ctx, cancel := context.WithCancel(context.Background())
	var measuring atomic.Bool
	var left atomic.Int64
	left.Store(*calls)
	measuring.Store(*calls > 0)
	everybody := make([]*caller, *callers)
	started, server, own := time.Now(), processCPU(servers), processCPU([]int{os.Getpid()})
	var running sync.WaitGroup
	for i := range everybody {
		everybody[i] = &caller{job: work, channel: channels[i%len(channels)], measuring: &measuring, left: &left}
		running.Add(1)
		go func() { defer running.Done(); everybody[i].run(ctx) }()
	}
	if *calls == 0 {
		time.Sleep(time.Duration(*warmup * float64(time.Second)))
		started, server, own = time.Now(), processCPU(servers), processCPU([]int{os.Getpid()})
		measuring.Store(true)
		time.Sleep(time.Duration(*seconds * float64(time.Second)))
	} else {
		running.Wait()
	}
	measuring.Store(false)
	outcome := result{
		Seconds:   time.Since(started).Seconds(),
		ServerCPU: processCPU(servers) - server,
		LoadCPU:   processCPU([]int{os.Getpid()}) - own,
	}
	cancel()
	running.Wait()

	var latencies []time.Duration
	for _, caller := range everybody {
		tally := &caller.tally
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
