/** Names and values as an attacker would choose them; each must come out as the text it is. */
export const HOSTILE: readonly string[] = [
  "<img src=x onerror=fetch('/aml/xss?'+document.cookie)>",
  '<svg><script>alert(1)</script></svg>',
  '<a href="javascript:alert(1)" target=_blank>x</a>',
  '<iframe srcdoc="<script>alert(1)</script>">',
  "<style>@import'http://evil.invalid'</style>",
  '<base href=http://evil.invalid/>',
  '<a id=_xsrf><a id=_xsrf name=value href=x>',
  "<button data-commandlinker-command='terminal:create-new'>x</button>",
  '![x](http://evil.invalid/beacon)',
  '$\\href{javascript:alert(1)}{x}$',
  '<details open ontoggle=alert(1)>',
  '<a href="data:text/html,<script>alert(1)</script>">x</a>',
  "!!js/function 'function(){alert(1)}'",
  '__proto__',
  'constructor'
];

/** Elements that no component of ours draws (a download link is one of the exceptions a test names). */
export const FOREIGN = 'script, iframe, style, base, object, embed, [onerror], [onload], [srcdoc]';
