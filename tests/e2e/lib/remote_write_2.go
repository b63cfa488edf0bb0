// SPDX-License-Identifier: Apache-2.0
// Purpose: sends series by remote write 2.0 with Prometheus' own client library, and tells what the
// receiver says that it wrote. Reads a request a line (JSON), answers a line each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

type sample struct {
	Ms    int64
	Value float64
}

type histogram struct {
	Ms            int64
	Schema        int32
	Count, Zeros  uint64
	Sum, ZeroUpTo float64
	Offset        int32 // of the first positive bucket; they follow one another
	Counts        []int64
}

type series struct {
	Labels     []string // names and values in turn
	Type       int32
	Unit, Help string
	Created    int64
	Samples    []sample
	Histograms []histogram
	Exemplars  int
}

func histogramOf(h histogram) *writev2.Histogram {
	deltas, last := make([]int64, len(h.Counts)), int64(0)
	for i, n := range h.Counts {
		deltas[i], last = n-last, n
	}
	return &writev2.Histogram{
		Count: &writev2.Histogram_CountInt{CountInt: h.Count}, Sum: h.Sum, Schema: h.Schema,
		ZeroThreshold: h.ZeroUpTo, ZeroCount: &writev2.Histogram_ZeroCountInt{ZeroCountInt: h.Zeros},
		PositiveSpans:  []*writev2.BucketSpan{{Offset: h.Offset, Length: uint32(len(deltas))}},
		PositiveDeltas: deltas, Timestamp: h.Ms,
	}
}

func requestOf(all []series) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	request := &writev2.Request{}
	for _, s := range all {
		made := &writev2.TimeSeries{
			LabelsRefs: symbols.SymbolizeLabels(s.Labels, nil), CreatedTimestamp: s.Created,
			Metadata: &writev2.Metadata{Type: writev2.Metadata_MetricType(s.Type),
				HelpRef: symbols.Symbolize(s.Help), UnitRef: symbols.Symbolize(s.Unit)},
		}
		for _, x := range s.Samples {
			made.Samples = append(made.Samples, &writev2.Sample{Timestamp: x.Ms, Value: x.Value})
		}
		for _, h := range s.Histograms {
			made.Histograms = append(made.Histograms, histogramOf(h))
		}
		for i := 0; i < s.Exemplars; i++ {
			made.Exemplars = append(made.Exemplars, &writev2.Exemplar{Value: 1, Timestamp: 1,
				LabelsRefs: symbols.SymbolizeLabels([]string{"trace_id", "ab"}, nil)})
		}
		request.Timeseries = append(request.Timeseries, made)
	}
	request.Symbols = symbols.Symbols()
	return request
}

func main() {
	api, err := remote.NewAPI(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var all []series
		if err := json.Unmarshal(lines.Bytes(), &all); err != nil {
			panic(err)
		}
		text := ""
		stats, err := api.Write(context.Background(), remote.WriteV2MessageType, requestOf(all))
		if err != nil {
			text = err.Error()
		}
		answer, _ := json.Marshal(map[string]any{"samples": stats.Samples, "histograms": stats.Histograms,
			"exemplars": stats.Exemplars, "error": text})
		fmt.Println(string(answer))
	}
}
