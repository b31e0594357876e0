// Live hits on the search page. The page works without it. The node sends each
// hit as the page itself would show it, every text in it escaped. Here it is
// read without being shown, and built anew from the elements and attributes that
// a hit has: what is neither stays out, whatever was sent.
(function () {
  "use strict";
  var button = document.getElementById("live");
  if (!button || !window.EventSource) return;
  var hits = document.getElementById("hits"), state = document.getElementById("live-state"), source = null;
  var most = 200, count = 0, after = button.dataset.after, title = document.title;
  button.hidden = false;

  var elements = /^(article|header|footer|bdi|span|a|time|details|summary|p|mark|ul|li|div|table|caption|thead|tbody|tr|th|td|code|b|small|br)$/;
  var attributes = /^(class|id|title|dir|datetime|rel|target|open|colspan)$/;
  function link(address) { return /^(https?:\/\/|\/(?!\/))/i.test(address); }
  function build(node) {
    if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.textContent);
    if (node.nodeType !== Node.ELEMENT_NODE || !elements.test(node.localName)) return null;
    var made = document.createElement(node.localName);
    Array.from(node.attributes).forEach(function (a) {
      if (attributes.test(a.name) || (a.name === "href" && link(a.value))) made.setAttribute(a.name, a.value);
    });
    node.childNodes.forEach(function (child) {
      var part = build(child);
      if (part) made.append(part);
    });
    return made;
  }

  function say(text) { state.textContent = text; }
  function show(e) {
    var sent = new DOMParser().parseFromString(JSON.parse(e.data).html, "text/html");
    var fresh = sent.body.firstElementChild && build(sent.body.firstElementChild);
    if (!fresh) return;
    var old = document.getElementById(fresh.id), empty = hits.querySelector(".empty");
    if (empty) empty.remove();
    fresh.classList.add("new");
    if (old) old.replaceWith(fresh);
    else if (e.type === "post") { hits.prepend(fresh); count++; }
    if (e.lastEventId) after = e.lastEventId;
    while (hits.children.length > most) hits.lastElementChild.remove();
    say("listening, " + count + " new");
    document.title = (document.hidden && count ? "(" + count + ") " : "") + title;
  }
  function stop(why) {
    if (source) source.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    say(why);
  }
  document.addEventListener("visibilitychange", function () { if (!document.hidden) document.title = title; });
  button.addEventListener("click", function () {
    if (source) return stop("");
    var params = new URLSearchParams({ q: button.dataset.q, as: "html" });
    if (button.dataset.tz) params.set("tz", button.dataset.tz);
    if (after && after !== "0") params.set("after", after);
    source = new EventSource(button.dataset.stream + "?" + params);
    button.setAttribute("aria-pressed", "true");
    say("connecting");
    source.onopen = function () { say(count ? "listening, " + count + " new" : "listening"); };
    source.onerror = function () {
      // A closed one was refused: signed out, or too many at once.
      if (source && source.readyState === EventSource.CLOSED) stop("refused: sign in again, or close another live search");
      else say("reconnecting");
    };
    source.addEventListener("post", show);
    source.addEventListener("update", show);
    source.addEventListener("delete", function (e) {
      var old = document.getElementById("p" + JSON.parse(e.data).id);
      if (old) { old.textContent = "Deleted by its author."; old.classList.add("gone"); }
    });
    source.addEventListener("gap", function (e) { say(JSON.parse(e.data).detail); });
  });
})();
