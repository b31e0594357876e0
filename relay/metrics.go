package relay

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"hark/relay/delivery"
	"hark/relay/inbox"
	"hark/storage"
)

// metrics are the node's figures. The values of their labels are listed and
// bounded: no host and no reason from outside is one.
type metrics struct {
	registry *prometheus.Registry

	inbox     *prometheus.CounterVec // by reason
	delivered *prometheus.CounterVec // by form
	failed    *prometheus.CounterVec // by class of status
	skipped   prometheus.Counter
	filtered  *prometheus.CounterVec // by reason
	took      prometheus.Histogram
	stored    prometheus.Counter
	notStored *prometheus.CounterVec // by rule
	labels    *prometheus.CounterVec // by label
	reviewed  *prometheus.CounterVec // by outcome
	dropped   *prometheus.CounterVec // Announces given up, by reason
	subs      *prometheus.GaugeVec   // by state
	lag       prometheus.Gauge
	behind    *prometheus.GaugeVec // by state
	waiting   *prometheus.GaugeVec // by state
	gaps      prometheus.Gauge
	undecided prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		inbox:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_inbox_total", Help: "Deliveries to the inbox, by what became of them."}, []string{"reason"}),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_delivered_total", Help: "Activities that subscribers took, by form."}, []string{"form"}),
		failed:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_delivery_failures_total", Help: "Deliveries that failed, by class of answer."}, []string{"class"}),
		skipped:   prometheus.NewCounter(prometheus.CounterOpts{Name: "hark_delivery_skipped_total", Help: "Activities that a subscriber could not take or refused for good."}),
		filtered:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_delivery_filtered_total", Help: "New posts that a subscriber's filter kept from it, by reason."}, []string{"reason"}),
		took:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hark_delivery_seconds", Help: "Time of a delivery that was taken.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 14)}),
		stored:    prometheus.NewCounter(prometheus.CounterOpts{Name: "hark_posts_stored_total", Help: "Posts stored."}),
		notStored: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_posts_not_stored_total", Help: "Posts heard and not stored, by rule."}, []string{"rule"}),
		labels:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_labels_total", Help: "Labels over their threshold, of stored posts."}, []string{"label"}),
		reviewed:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_reviews_total", Help: "Posts whose labels were in doubt, by what a second opinion made of them."}, []string{"outcome"}),
		dropped:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_announces_dropped_total", Help: "Accepted Announces whose object was not relayed, by reason."}, []string{"reason"}),
		subs:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hark_subscribers", Help: "Subscribers, by state."}, []string{"state"}),
		lag:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "hark_delivery_lag_entries", Help: "Entries that the slowest live subscriber is behind."}),
		behind:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hark_subscribers_behind_entries", Help: "Entries that the most behind subscriber is behind, by state."}, []string{"state"}),
		waiting:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hark_subscribers_behind_seconds", Help: "Age of the oldest entry that a subscriber is not done with, by state."}, []string{"state"}),
		undecided: prometheus.NewCounter(prometheus.CounterOpts{Name: "hark_decisions_lost_total", Help: "Refusals and drops that hark explain will not know, because there were too many."}),
		gaps:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "hark_delivery_gap_entries", Help: "Entries that subscribers never got because the journal no longer held them."}),
	}
	m.registry.MustRegister(m.inbox, m.delivered, m.failed, m.skipped, m.filtered, m.took, m.stored, m.notStored, m.labels, m.reviewed, m.dropped, m.subs, m.lag, m.behind, m.waiting, m.gaps, m.undecided,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, r := range inbox.Reasons() {
		m.inbox.WithLabelValues(string(r))
	}
	return m
}

// deliveryEvents and listenEvents bring the parts' news to the metrics and to
// each other.
type deliveryEvents struct{ n *Node }

func (d deliveryEvents) Delivered(_ string, form delivery.Form, took time.Duration) {
	d.n.metrics.delivered.WithLabelValues(string(form)).Inc()
	d.n.metrics.took.Observe(took.Seconds())
}

func (d deliveryEvents) Failed(_ string, status int) {
	class := "network"
	switch {
	case status >= 500:
		class = "5xx"
	case status >= 400:
		class = "4xx"
	case status >= 300:
		class = "3xx"
	case status > 0:
		class = "other"
	}
	d.n.metrics.failed.WithLabelValues(class).Inc()
}

func (d deliveryEvents) Skipped(_, _ string) { d.n.metrics.skipped.Inc() }
func (d deliveryEvents) Changed()            { d.n.changed() }

type listenEvents struct{ n *Node }

func (l listenEvents) Stored(n int)            { l.n.metrics.stored.Add(float64(n)) }
func (l listenEvents) Labelled(label string)   { l.n.metrics.labels.WithLabelValues(label).Inc() }
func (l listenEvents) Reviewed(outcome string) { l.n.metrics.reviewed.WithLabelValues(outcome).Inc() }
func (l listenEvents) NotStored(e *storage.Entry, rule string) {
	l.n.metrics.notStored.WithLabelValues(rule).Inc()
	l.n.ledger.note(storage.Decision{
		At: l.n.o.Now(), ActivityID: e.ActivityID, ObjectID: e.ObjectID, Actor: e.Actor, Type: e.Type, Via: e.Via,
		Stage: storage.StageListen, Reason: rule,
	})
}
func (l listenEvents) Erased(objectID, actor string) {
	l.n.erased.Store(true)
	l.n.filters.Forget()
	l.n.engine.Erase(func(e *storage.Entry) bool {
		if e.Type == "Delete" || e.Type == "Undo" {
			return false
		}
		return (objectID == "" || e.ObjectID == objectID) && (actor == "" || e.Actor == actor)
	})
}

type inboxEvents struct{ n *Node }

func (i inboxEvents) Appended() {
	i.n.engine.Appended()
	i.n.listener.Appended()
}
func (i inboxEvents) Unresolved()       { i.n.resolver.Wake() }
func (i inboxEvents) Subscribed()       { i.n.changed() }
func (i inboxEvents) Left(actor string) { i.n.engine.Drop(actor) }
func (i inboxEvents) Heard(host string) { i.n.engine.Heard(host) }
