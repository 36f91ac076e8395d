// The workload of the recorded sequences: it does to its pod what its flags say, at the times they say.
//
//	actor --ready-after=3s --exit-after=10s --exit-code=1 --allocate=200 --allocate-after=5s --burn=0.5 --ignore-term
//
// It serves /ready and /alive on port 8080. `actor set unready` (ready, dead, alive, burn, idle, exit) in a running
// container changes it.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	readyAfter    = flag.Duration("ready-after", 0, "until then /ready answers 503")
	deadAfter     = flag.Duration("dead-after", 0, "from then on /alive answers 503; 0 for never")
	exitAfter     = flag.Duration("exit-after", 0, "when it ends; 0 for never")
	exitCode      = flag.Int("exit-code", 0, "how it ends")
	allocate      = flag.Int("allocate", 0, "MiB of memory that it takes")
	allocateAfter = flag.Duration("allocate-after", 0, "when it takes them")
	burn          = flag.Float64("burn", 0, "cores that it uses, at most 1")
	ignoreTerm    = flag.Bool("ignore-term", false, "go on after SIGTERM, until killed")

	unready, dead, burning atomic.Bool
	burns                  = make(chan struct{}, 1)
	memory                 []byte
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "set" {
		tell(os.Args[2])
		return
	}
	flag.Parse()
	unready.Store(*readyAfter > 0)
	after(*readyAfter, func() { unready.Store(false) })
	after(*deadAfter, func() { dead.Store(true) })
	after(*exitAfter, func() { os.Exit(*exitCode) })
	if *allocate > 0 {
		time.AfterFunc(*allocateAfter, take)
	}
	if *burn > 0 {
		set("burn")
	}
	go work()
	go serve()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	for range signals {
		if !*ignoreTerm {
			return
		}
	}
}

func after(delay time.Duration, act func()) {
	if delay > 0 {
		time.AfterFunc(delay, act)
	}
}

func take() {
	memory = make([]byte, *allocate<<20)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}

// work uses its share of each hundredth of a second while it burns. Otherwise it sleeps, so that an idle actor uses nothing.
func work() {
	share := *burn
	if share == 0 {
		share = 1
	}
	const window = 10 * time.Millisecond
	for range burns {
		for burning.Load() {
			start := time.Now()
			for burning.Load() && time.Since(start) < time.Duration(share*float64(window)) {
			}
			time.Sleep(window - time.Since(start))
		}
	}
}

func serve() {
	answer := func(failing *atomic.Bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if failing.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	}
	http.HandleFunc("/ready", answer(&unready))
	http.HandleFunc("/alive", answer(&dead))
	http.HandleFunc("/set/", func(_ http.ResponseWriter, r *http.Request) { set(r.URL.Path[len("/set/"):]) })
	fmt.Println(http.ListenAndServe(":8080", nil))
}

func set(what string) {
	switch what {
	case "ready", "unready":
		unready.Store(what == "unready")
	case "alive", "dead":
		dead.Store(what == "dead")
	case "burn":
		burning.Store(true)
		select {
		case burns <- struct{}{}:
		default: // It has not begun yet.
		}
	case "idle":
		burning.Store(false)
	case "exit":
		time.AfterFunc(100*time.Millisecond, func() { os.Exit(*exitCode) })
	}
}

func tell(what string) {
	if _, err := http.Get("http://127.0.0.1:8080/set/" + what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
