// Command stub answers for the Rooms service with bytes made beforehand, so that an upstream costs
// next to nothing and is the same for every gateway.
//
// It prints one line of JSON with its ports when it serves. PUT /stub?pages=&size=&delay= says how
// long its list is and how many milliseconds every answer waits; GET /stub tells how many requests
// it has answered.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const room = `{"id":"99445276259151407","createdAt":"2026-08-03T09:14:27.1234567+00:00",` +
	`"validFrom":"2026-08-03T09:14:27.1234567+00:00","validUntil":"2027-01-30T09:14:27.1234567+00:00",` +
	`"pstnDialOutEnabled":false}`

// list is what the stub has to list: pages of the same rooms, told apart by their links.
type list struct {
	pages int
	rooms []byte
	delay time.Duration
}

func newList(pages, size int, delay time.Duration) *list {
	rooms := strings.TrimSuffix(strings.Repeat(room+",", size), ",")
	return &list{pages, []byte(`{"value":[` + rooms + `]`), delay}
}

type stub struct {
	list     atomic.Pointer[list]
	requests atomic.Int64
}

func (s *stub) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/stub" {
		s.control(answer, request)
		return
	}
	s.requests.Add(1)
	list := s.list.Load()
	if list.delay > 0 {
		time.Sleep(list.delay)
	}
	if request.ContentLength != 0 {
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
	}
	switch {
	case request.Method == http.MethodPost:
		send(answer, http.StatusCreated, []byte(room))
	case request.Method == http.MethodPatch:
		send(answer, http.StatusOK, []byte("{}"))
	case request.URL.Path == "/rooms":
		send(answer, http.StatusOK, list.page(request))
	default:
		send(answer, http.StatusOK, []byte(room))
	}
}

func (l *list) page(request *http.Request) []byte {
	query := request.URL.Query()
	page, _ := strconv.Atoi(query.Get("continuationToken"))
	next := page + 1
	if next >= l.pages {
		return append(bytes.Clone(l.rooms), '}')
	}
	scheme := "http"
	if request.TLS != nil {
		scheme = "https"
	}
	return fmt.Appendf(bytes.Clone(l.rooms),
		`,"nextLink":"%s://%s/rooms?api-version=%s&continuationToken=%d"}`,
		scheme, request.Host, query.Get("api-version"), next)
}

func (s *stub) control(answer http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodPut {
		number := func(name string) int {
			value, _ := strconv.Atoi(request.URL.Query().Get(name))
			return value
		}
		s.list.Store(newList(number("pages"), number("size"), time.Duration(number("delay"))*time.Millisecond))
	}
	send(answer, http.StatusOK, fmt.Appendf(nil, `{"requests":%d}`, s.requests.Load()))
}

// fields are those that the service and its front door send beside Date, of their usual length.
var fields = map[string]string{
	"Content-Type":              "application/json; charset=utf-8",
	"Transfer-Encoding":         "chunked",
	"Connection":                "keep-alive",
	"MS-CV":                     "654uaLgPvEu5EHJruQ6VlQ.0",
	"Request-Context":           "appId=",
	"api-supported-versions":    "2023-06-14, 2023-10-30-preview, 2024-04-15, 2025-03-13",
	"Strict-Transport-Security": "max-age=31536000;includeSubDomains",
	"x-azure-ref":               "20250306T002003Z-pmrnm132gh2mf31p3f68paerz400000004z000000000a1b2",
	"X-Cache":                   "CONFIG_NOCACHE",
}

func send(answer http.ResponseWriter, status int, body []byte) {
	header := answer.Header()
	for name, value := range fields {
		header[name] = []string{value}
	}
	answer.WriteHeader(status)
	_, _ = answer.Write(body)
}

func main() {
	certificate := flag.String("cert", "", "PEM file of the certificate to speak TLS with")
	key := flag.String("key", "", "PEM file of its key")
	flag.Parse()

	handler := &stub{}
	handler.list.Store(newList(1, 1, 0))
	ports := map[string]int{}
	failed := make(chan error)
	listen := func(name string, serve func(*http.Server, net.Listener) error) {
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		ports[name] = listener.Addr().(*net.TCPAddr).Port
		// HTTP/1.1 only, as the service speaks with the clients compared here.
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		server := &http.Server{Handler: handler, Protocols: protocols, ReadHeaderTimeout: time.Minute,
			ErrorLog: log.New(io.Discard, "", 0)}
		go func() { failed <- serve(server, listener) }()
	}
	listen("http", func(server *http.Server, listener net.Listener) error { return server.Serve(listener) })
	if *certificate != "" {
		listen("https", func(server *http.Server, listener net.Listener) error {
			return server.ServeTLS(listener, *certificate, *key)
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(ports); err != nil {
		log.Fatal(err)
	}
	log.Fatal(<-failed)
}
