// Live hits on the search page. The page works without it.
(function () {
  "use strict";
  var button = document.getElementById("live");
  if (!button || !window.EventSource) return;
  var hits = document.getElementById("hits"), state = document.getElementById("live-state"), source = null, most = 200;
  button.hidden = false;

  function element(name, cls, text) {
    var e = document.createElement(name);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  }
  // Controls of writing direction and characters without width are taken out,
  // as on the page itself.
  function visible(s) {
    return String(s || "").replace(/[\u0000-\u0008\u000b-\u001f\u007f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, "");
  }
  function link(href, text) {
    if (!/^https?:\/\//i.test(href || "")) return element("span", "", text);
    var a = element("a", "", text);
    a.href = href; a.rel = "noopener noreferrer nofollow"; a.target = "_blank";
    return a;
  }
  function marked(p, snippet) {
    var bytes = new TextEncoder().encode(snippet.text), decoder = new TextDecoder(), at = 0;
    (snippet.marks || []).forEach(function (m) {
      p.append(decoder.decode(bytes.slice(at, m[0])));
      p.append(element("mark", "", decoder.decode(bytes.slice(m[0], m[1]))));
      at = m[1];
    });
    p.append(decoder.decode(bytes.slice(at)));
  }
  function card(post) {
    var a = element("article", "post new");
    a.id = "p" + post.id;
    var h = element("header");
    h.append(element("b", "", visible(post.author.name || post.author.handle)), " ", element("span", "handle", "@" + visible(post.author.handle)), element("span", "grow"), element("span", "chip", post.language), " ");
    var t = element("a", "", new Date(post.published).toLocaleTimeString());
    t.href = "/post/" + post.id;
    h.append(t);
    var text = element("p", "text");
    text.dir = "auto";
    marked(text, post.snippet || { text: visible(post.text) });
    a.append(h);
    if (post.warning) {
      var d = element("details");
      d.append(element("summary", "", visible(post.warning)), text);
      a.append(d);
    } else a.append(text);
    (post.poll || []).length && a.append(post.poll.reduce(function (ul, o) { ul.append(element("li", "", visible(o))); return ul; }, element("ul", "poll")));
    (post.attachments || []).length && a.append(post.attachments.reduce(function (ul, m) {
      var li = element("li");
      li.append(element("span", "chip", visible(m.kind)), " ", link(m.url, visible(m.description) || "no description"));
      ul.append(li);
      return ul;
    }, element("ul", "media")));
    var labels = element("div", "labels");
    (post.labels || []).filter(function (l) { return l.over; }).forEach(function (l) {
      var d = element("details", "label l-" + String(l.name).replace(/[^a-z-]/g, "")), s = element("summary", "", l.name + " ");
      s.append(element("b", "", Math.round(l.score * 100) + " %"));
      d.append(s);
      (l.reasons || []).forEach(function (r) { d.append(element("div", r.weight < 0 ? "minus" : "plus", "“" + visible(r.text) + "” " + r.rule + " " + r.weight.toFixed(2))); });
      labels.append(d);
    });
    if (labels.childNodes.length) a.append(labels);
    var f = element("footer", "meta", visible(post.host) + (post.software ? " (" + visible(post.software) + ")" : "") + " · kept by rule " + post.consent + " · ");
    f.append(link(post.url || post.uri, "original"));
    a.append(f);
    return a;
  }
  function show(e) {
    var post = JSON.parse(e.data), old = document.getElementById("p" + post.id), empty = hits.querySelector(".empty");
    if (empty) empty.remove();
    if (old) old.replaceWith(card(post)); else hits.prepend(card(post));
    while (hits.children.length > most) hits.lastElementChild.remove();
  }
  function stop(why) {
    if (source) source.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    state.textContent = why || "";
  }
  button.addEventListener("click", function () {
    if (source) return stop();
    source = new EventSource(button.dataset.stream + "?q=" + encodeURIComponent(button.dataset.q));
    button.setAttribute("aria-pressed", "true");
    state.textContent = "connecting";
    source.addEventListener("post", show);
    source.addEventListener("update", show);
    source.addEventListener("delete", function (e) {
      var old = document.getElementById("p" + JSON.parse(e.data).id);
      if (old) { old.textContent = "Deleted by its author."; old.classList.add("gone"); }
    });
    source.addEventListener("gap", function () { stop("cut off: search again"); });
    source.onerror = function () { state.textContent = "reconnecting"; };
    source.onopen = function () { state.textContent = "listening"; };
  });
})();
