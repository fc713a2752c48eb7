package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameSize        = 16 << 10 // what every peer takes
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20
)

// call is one gRPC call on its stream.
type call struct {
	started time.Time
	unsent  []byte // of the request, for which there was no window
	window  int    // what the server will take on this stream
	begun   []byte // an answer message of which only the beginning has come
	bytes   int    // of whole answer messages
	items   int    // in whole answer messages
	unread  int    // bytes that the server has not been told are read
}

// connection is one HTTP/2 connection with calls on it. One goroutine does everything: it writes
// what it has when there is nothing to read, so many calls share one system call.
type connection struct {
	job      *job
	socket   net.Conn
	out      *bufio.Writer
	in       *bufio.Reader
	framer   *http2.Framer
	headers  []byte
	prefixed []byte // the request with gRPC's five bytes before it
	calls    map[uint32]*call
	waiting  []uint32 // calls with something unsent
	next     uint32
	initial  int // the window of a new stream, as the server says
	window   int // what the server will take on this connection
	unread   int
	tally    tally
}

func dial(target string, job *job) (*connection, error) {
	socket, err := net.Dial("tcp", target)
	if err != nil {
		return nil, err
	}
	c := &connection{
		job: job, socket: socket, out: bufio.NewWriterSize(socket, 64<<10), in: bufio.NewReaderSize(socket, 64<<10),
		calls: map[uint32]*call{}, next: 1, initial: 65535, window: 65535,
		prefixed: append([]byte{0, byte(len(job.request) >> 24), byte(len(job.request) >> 16),
			byte(len(job.request) >> 8), byte(len(job.request))}, job.request...),
	}
	c.framer = http2.NewFramer(c.out, c.in)
	c.framer.SetReuseFrames()
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)

	// Without indexing, so that the same bytes do for every call.
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	block.Reset()
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", job.method}, {":authority", target},
		{"content-type", "application/grpc"}, {"te", "trailers"}, {"user-agent", "rooms-gateway-bench"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: false}); err != nil {
			return nil, err
		}
	}
	c.headers = block.Bytes()

	if _, err := c.out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}); err != nil {
		return nil, err
	}
	return c, c.framer.WriteWindowUpdate(0, connectionWindow-65535)
}

// run keeps a number of calls in flight until there are no more to make, or the socket is closed.
func (c *connection) run(callers int) error {
	for range callers {
		if err := c.begin(); err != nil {
			return err
		}
	}
	for len(c.calls) > 0 {
		if c.in.Buffered() == 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := c.take(frame); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) begin() error {
	if !c.job.another() {
		return nil
	}
	id := c.next
	c.next += 2
	c.calls[id] = &call{started: time.Now(), unsent: c.prefixed, window: c.initial}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.headers, EndHeaders: true})
	if err != nil {
		return err
	}
	c.waiting = append(c.waiting, id)
	return c.send()
}

// send writes what the windows let through of all that is unsent, the oldest first.
func (c *connection) send() error {
	still := c.waiting[:0]
	for _, id := range c.waiting {
		call := c.calls[id]
		if call == nil {
			continue
		}
		for size := 1; size > 0 && len(call.unsent) > 0; {
			size = min(len(call.unsent), c.window, call.window, frameSize)
			if size > 0 {
				last := size == len(call.unsent)
				if err := c.framer.WriteData(id, last, call.unsent[:size]); err != nil {
					return err
				}
				call.unsent = call.unsent[size:]
				c.window -= size
				call.window -= size
			}
		}
		if len(call.unsent) > 0 {
			still = append(still, id)
		}
	}
	c.waiting = still
	return nil
}

func (c *connection) take(frame http2.Frame) error {
	id := frame.Header().StreamID
	switch frame := frame.(type) {
	case *http2.DataFrame:
		return c.data(id, frame)
	case *http2.MetaHeadersFrame:
		if frame.StreamEnded() {
			return c.end(id, frame)
		}
	case *http2.RSTStreamFrame:
		return c.fail(id, fmt.Errorf("the stream was reset: %v", frame.ErrCode))
	case *http2.WindowUpdateFrame:
		if id == 0 {
			c.window += int(frame.Increment)
		} else if call := c.calls[id]; call != nil {
			call.window += int(frame.Increment)
		}
		return c.send()
	case *http2.SettingsFrame:
		if frame.IsAck() {
			return nil
		}
		if size, ok := frame.Value(http2.SettingInitialWindowSize); ok {
			for _, call := range c.calls {
				call.window += int(size) - c.initial
			}
			c.initial = int(size)
		}
		if err := c.framer.WriteSettingsAck(); err != nil {
			return err
		}
		return c.send()
	case *http2.PingFrame:
		if !frame.IsAck() {
			return c.framer.WritePing(true, frame.Data)
		}
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server went away: %v", frame.ErrCode)
	}
	return nil
}

func (c *connection) data(id uint32, frame *http2.DataFrame) error {
	size := int(frame.Length)
	c.unread += size
	if c.unread > connectionWindow/2 {
		if err := c.framer.WriteWindowUpdate(0, uint32(c.unread)); err != nil {
			return err
		}
		c.unread = 0
	}
	call := c.calls[id]
	if call == nil {
		return nil
	}
	call.unread += size
	if call.unread > streamWindow/2 {
		if err := c.framer.WriteWindowUpdate(id, uint32(call.unread)); err != nil {
			return err
		}
		call.unread = 0
	}
	call.begun = append(call.begun, frame.Data()...)
	at := 0
	for len(call.begun)-at >= 5 {
		head := call.begun[at:]
		length := int(head[1])<<24 | int(head[2])<<16 | int(head[3])<<8 | int(head[4])
		if len(head) < 5+length {
			break
		}
		call.bytes += length
		if c.job.items > 0 {
			items := count(head[5 : 5+length])
			call.items += items
			if c.job.measuring.Load() {
				c.tally.messages++
				c.tally.items += int64(items)
			}
		}
		at += 5 + length
	}
	call.begun = append(call.begun[:0], call.begun[at:]...)
	return nil
}

func (c *connection) end(id uint32, trailers *http2.MetaHeadersFrame) error {
	call := c.calls[id]
	status, message := "none", ""
	for _, field := range trailers.Fields {
		switch field.Name {
		case "grpc-status":
			status = field.Value
		case "grpc-message":
			message = field.Value
		}
	}
	switch {
	case call == nil:
		return nil
	case status != "0":
		return c.fail(id, fmt.Errorf("grpc-status %s: %s", status, message))
	case call.bytes < c.job.bytes:
		return c.fail(id, fmt.Errorf("an answer of %d bytes, not %d", call.bytes, c.job.bytes))
	case call.items != c.job.items:
		return c.fail(id, fmt.Errorf("a list of %d, not %d", call.items, c.job.items))
	}
	if c.job.measuring.Load() {
		c.tally.calls++
		c.job.counted.Store(true)
		c.tally.latencies = append(c.tally.latencies, time.Since(call.started))
	}
	delete(c.calls, id)
	return c.begin()
}

func (c *connection) fail(id uint32, problem error) error {
	delete(c.calls, id)
	c.tally.errors++
	c.tally.problem = problem.Error()
	time.Sleep(time.Millisecond)
	return c.begin()
}
