// Command engine answers PromQL queries with Prometheus' own engine, over samples that it is handed: what a server
// would answer, without a server, and with stale markers and special values exactly as given.
//
// It reads one JSON document from standard input and writes one line of JSON per query: `{"data": …}` in the form of
// the HTTP API, or `{"errorType": …, "error": …}`.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// input is what is read. Times and lengths of time are in milliseconds.
type input struct {
	Lookback     int64    `json:"lookback"`
	SubqueryStep int64    `json:"subquery_step"`
	Series       []series `json:"series"`
	Queries      []query  `json:"queries"`
}

// series has its samples as pairs of a time and a number as text; `stale` is the stale marker.
type series struct {
	Labels  map[string]string    `json:"labels"`
	Samples [][2]json.RawMessage `json:"samples"`
}

// query is answered at one time if its step is 0.
type query struct {
	Query string `json:"query"`
	Start int64  `json:"start"`
	End   int64  `json:"end"`
	Step  int64  `json:"step"`
}

type answer struct {
	Data      *data  `json:"data,omitempty"`
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
}

type data struct {
	ResultType parser.ValueType `json:"resultType"`
	Result     parser.Value     `json:"result"`
}

// sample is a float sample; chunks.Sample also has those of native histograms.
type sample struct {
	t int64
	f float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.f }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

func main() {
	log.SetFlags(0)
	var in input
	if err := json.NewDecoder(bufio.NewReader(os.Stdin)).Decode(&in); err != nil {
		log.Fatal("standard input: ", err)
	}
	all, err := hold(in.Series)
	if err != nil {
		log.Fatal(err)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples:               10_000_000,
		Timeout:                  time.Minute,
		LookbackDelta:            time.Duration(in.Lookback) * time.Millisecond,
		NoStepSubqueryIntervalFn: func(int64) int64 { return in.SubqueryStep },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   parser.NewParser(parser.Options{}),
	})
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, q := range in.Queries {
		if err := encoder.Encode(ask(engine, all, q)); err != nil {
			log.Fatalf("%s: %v", q.Query, err)
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

// hold makes the samples a storage that can be queried.
func hold(all []series) (samples, error) {
	entries := make(samples, 0, len(all))
	for _, s := range all {
		points := make([]chunks.Sample, 0, len(s.Samples))
		for _, pair := range s.Samples {
			var t int64
			var text string
			if err := json.Unmarshal(pair[0], &t); err != nil {
				return nil, fmt.Errorf("a time of %v: %w", s.Labels, err)
			}
			if err := json.Unmarshal(pair[1], &text); err != nil {
				return nil, fmt.Errorf("a value of %v: %w", s.Labels, err)
			}
			f := math.Float64frombits(value.StaleNaN)
			if text != "stale" {
				var err error
				if f, err = strconv.ParseFloat(text, 64); err != nil {
					return nil, fmt.Errorf("a value of %v: %w", s.Labels, err)
				}
			}
			points = append(points, sample{t, f})
		}
		entries = append(entries, held{labels.FromMap(s.Labels), points})
	}
	sort.Slice(entries, func(i, j int) bool {
		return labels.Compare(entries[i].labels, entries[j].labels) < 0
	})
	return entries, nil
}

// samples are all that a storage has, ordered by labels.
type samples []held

type held struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// Querier sees what lies between two times, both included, and nothing else.
func (all samples) Querier(mint, maxt int64) (storage.Querier, error) {
	selected := func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		var found []storage.Series
		for _, s := range all {
			if matches(s.labels, matchers) {
				first := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].T() >= mint })
				end := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].T() > maxt })
				found = append(found, storage.NewListSeries(s.labels, s.samples[first:max(first, end)]))
			}
		}
		return &seriesSet{series: found, at: -1}
	}
	return &storage.MockQuerier{SelectMockFunction: selected}, nil
}

// seriesSet lists series one after the other.
type seriesSet struct {
	series []storage.Series
	at     int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series                { return s.series[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

func matches(of labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(of.Get(m.Name)) {
			return false
		}
	}
	return true
}

// ask answers one query. The kinds of error are the HTTP API's.
func ask(engine *promql.Engine, all storage.Queryable, q query) answer {
	ctx := context.Background()
	prepared, err := prepare(ctx, engine, all, q)
	if err != nil {
		return answer{ErrorType: "bad_data", Error: err.Error()}
	}
	defer prepared.Close()
	result := prepared.Exec(ctx)
	if result.Err != nil {
		return answer{ErrorType: "execution", Error: result.Err.Error()}
	}
	return answer{Data: &data{result.Value.Type(), result.Value}}
}

func prepare(ctx context.Context, engine *promql.Engine, all storage.Queryable, q query) (promql.Query, error) {
	if q.Step == 0 {
		return engine.NewInstantQuery(ctx, all, nil, q.Query, time.UnixMilli(q.Start))
	}
	step := time.Duration(q.Step) * time.Millisecond
	return engine.NewRangeQuery(ctx, all, nil, q.Query, time.UnixMilli(q.Start), time.UnixMilli(q.End), step)
}
