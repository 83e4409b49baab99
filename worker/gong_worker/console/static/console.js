// A page that loses its connection asks whether its session has ended, and leads to the login if so.
"use strict";
// The theme that was chosen, before anything is drawn.
(() => {
  const show = (name) => {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
  };
  const chosen = /(?:^|; )gong-views-theme=(dark|light)/.exec(document.cookie);
  if (chosen) show(chosen[1]);
  window.gongViewsTheme = (name) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `gong-views-theme=${name}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    show(name);
  };
})();
(() => {
  const check = async () => {
    try {
      const answer = await fetch("/session", { redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 403) location.assign("/login");
    } catch {
      // The console is away: the page goes on trying to connect.
    }
  };
  const wait = setInterval(() => {
    if (!window.socket) return;
    clearInterval(wait);
    window.socket.on("disconnect", check);
    window.socket.on("connect_error", check);
  }, 50);
})();
