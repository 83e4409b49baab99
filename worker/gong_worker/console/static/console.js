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
// Sends the chosen file; gives what is wrong, or nothing.
window.gongViewsUpload = async (field, path, most) => {
  const file = field.files[0];
  if (!file) return "choose a file first";
  if (file.size > most) return `the file is longer than ${most} bytes: send it in parts`;
  try {
    const answer = await fetch(path, { method: "POST", body: file, redirect: "manual" });
    if (answer.type === "opaqueredirect") location.assign("/login");
    return answer.ok ? "" : await answer.text();
  } catch {
    return "the file could not be read or sent; if it was changed meanwhile, choose it again";
  }
};
