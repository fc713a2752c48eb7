// Command relay forwards TCP connections as if their target were far away: every byte arrives half
// a round trip later in each direction, and the first one a whole round trip later still, for the
// handshake of TCP, which a local connect does not wait for.
//
// It prints one line of JSON with its port when it serves.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net"
	"os"
	"time"
)

// piece is what was read at once; due is when it arrives.
type piece struct {
	bytes []byte
	due   time.Time
}

// forward sends what it reads on after a delay, and no byte before notBefore.
func forward(from, to *net.TCPConn, delay time.Duration, notBefore time.Time) {
	pieces := make(chan piece, 1024)
	go func() {
		for one := range pieces {
			time.Sleep(time.Until(one.due))
			if _, err := to.Write(one.bytes); err != nil {
				break
			}
		}
		_ = to.Close()
		for range pieces {
		}
	}()
	defer close(pieces)
	for {
		buffer := make([]byte, 16384)
		size, err := from.Read(buffer)
		due := time.Now().Add(delay)
		if due.Before(notBefore) {
			due = notBefore
		}
		if err != nil {
			pieces <- piece{nil, due}
			return
		}
		pieces <- piece{buffer[:size], due}
	}
}

func main() {
	target := flag.String("target", "", "host:port to forward to")
	delay := flag.Duration("round-trip", 80*time.Millisecond, "duration of a round trip")
	flag.Parse()

	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := json.NewEncoder(os.Stdout).Encode(map[string]int{"port": port}); err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		opened := time.Now()
		go func() {
			server, err := net.Dial("tcp", *target)
			if err != nil {
				_ = client.Close()
				return
			}
			near, far := client.(*net.TCPConn), server.(*net.TCPConn)
			go forward(near, far, *delay/2, opened.Add(*delay+*delay/2))
			forward(far, near, *delay/2, opened)
		}()
	}
}
