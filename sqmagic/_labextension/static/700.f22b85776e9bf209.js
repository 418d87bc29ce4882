"use strict";(self.rspackChunksqmagic_labextension=self.rspackChunksqmagic_labextension||[]).push([[700],{646(e,t,a){var s=a(601),i=a.n(s),r=a(314),o=a.n(r),l=a(656),n=a(187),f=o()(i());f.i(l.A),f.i(n.A),f.push([e.id,`
`,""]),a.d(t,{},{A:f})},656(e,t,a){var s=a(601),i=a.n(s),r=a(314),o=(a.n(r))()(i());o.push([e.id,`/* written by inputs.py from sqmagic/board: change it there */
.sq-view {--s0:#0463c1;--s1:#ba3209;--s2:#06733d;--s3:#9b30be;--s4:#7e6003;--s5:#bd2163;--s6:#066d83;--s7:#38710f;--s8:#6c49d6;--s9:#c22222;}
[data-jp-theme-light="false"] .sq-view {--s0:#8ebef2;--s1:#f2a893;--s2:#50d184;--s3:#d8aae9;--s4:#e0b44f;--s5:#eea5c3;--s6:#53c9e7;--s7:#7acf52;--s8:#c1b1f4;--s9:#efa8a8;}
.sq-view math {font-family:'STIX Two Math','Cambria Math','Latin Modern Math','DejaVu Math TeX Gyre',math}
.sq-picture[data-theme="auto"] svg {--paper:#ffffff;--page:#ffffff;--ink:#111111;--quiet:#595959;--faint:#cddfbd;--cell:#e1f7d0;--border:#6d8759;--group:#cdebb4;--macro:#c9ebb0;--layer:#f5ee9c;--tab:#e9db6c;--pointwise:#f9d1d1;--delay:#ffffff;--input:#a2cdec;--output:#dbacee;--target:#ffffff;--chip:#ffffff;--function:#dde3ea;--buffer:#dde3ea;--loss:#fbc08a;--objective:#b7e3c0;--fault:#c22222;--s0:#0463c1;--s1:#ba3209;--s2:#06733d;--s3:#9b30be;--s4:#7e6003;--s5:#bd2163;--s6:#066d83;--s7:#38710f;--s8:#6c49d6;--s9:#c22222;}
[data-jp-theme-light="false"] .sq-picture[data-theme="auto"] svg {--paper:#1f2a2a;--page:#1f2a2a;--ink:#f4f1e6;--quiet:#c3c6bd;--faint:#435548;--cell:#2b4036;--border:#8fbf7f;--group:#345042;--macro:#3d6047;--layer:#7a6c12;--tab:#5e530c;--pointwise:#8c4450;--delay:#1f2a2a;--input:#2f6690;--output:#6b4684;--target:#1f2a2a;--chip:#1f2a2a;--function:#4a5866;--buffer:#4a5866;--loss:#9a5a1e;--objective:#2f7048;--fault:#ff8f85;--s0:#8ebef2;--s1:#f2a893;--s2:#50d184;--s3:#d8aae9;--s4:#e0b44f;--s5:#eea5c3;--s6:#53c9e7;--s7:#7acf52;--s8:#c1b1f4;--s9:#efa8a8;}
.sq-picture[data-theme="light"] svg {--paper:#ffffff;--page:#ffffff;--ink:#111111;--quiet:#595959;--faint:#cddfbd;--cell:#e1f7d0;--border:#6d8759;--group:#cdebb4;--macro:#c9ebb0;--layer:#f5ee9c;--tab:#e9db6c;--pointwise:#f9d1d1;--delay:#ffffff;--input:#a2cdec;--output:#dbacee;--target:#ffffff;--chip:#ffffff;--function:#dde3ea;--buffer:#dde3ea;--loss:#fbc08a;--objective:#b7e3c0;--fault:#c22222;--s0:#0463c1;--s1:#ba3209;--s2:#06733d;--s3:#9b30be;--s4:#7e6003;--s5:#bd2163;--s6:#066d83;--s7:#38710f;--s8:#6c49d6;--s9:#c22222;}
.sq-picture[data-theme="dark"] svg {--paper:#1f2a2a;--page:#1f2a2a;--ink:#f4f1e6;--quiet:#c3c6bd;--faint:#435548;--cell:#2b4036;--border:#8fbf7f;--group:#345042;--macro:#3d6047;--layer:#7a6c12;--tab:#5e530c;--pointwise:#8c4450;--delay:#1f2a2a;--input:#2f6690;--output:#6b4684;--target:#1f2a2a;--chip:#1f2a2a;--function:#4a5866;--buffer:#4a5866;--loss:#9a5a1e;--objective:#2f7048;--fault:#ff8f85;--s0:#8ebef2;--s1:#f2a893;--s2:#50d184;--s3:#d8aae9;--s4:#e0b44f;--s5:#eea5c3;--s6:#53c9e7;--s7:#7acf52;--s8:#c1b1f4;--s9:#efa8a8;}
.sq-picture[data-theme="chalkboard"] svg {--paper:#1d3b30;--page:#1d3b30;--ink:#f6f3e4;--quiet:#cdd6c8;--faint:#3f5b4e;--cell:#234639;--border:#b5d6a4;--group:#2a4d3f;--macro:#30573f;--layer:#3d4c2c;--tab:#2d3f24;--pointwise:#4b4240;--delay:#1d3b30;--input:#1f4a59;--output:#43425c;--target:#1d3b30;--chip:#1d3b30;--function:#384c50;--buffer:#384c50;--loss:#544628;--objective:#235640;--fault:#ff9d92;--layer-line:#f7ea8c;--tab-line:#f7ea8c;--pointwise-line:#f7b8b4;--input-line:#9fd3f5;--output-line:#dfb9f2;--function-line:#d3dde6;--buffer-line:#d3dde6;--loss-line:#f8c084;--objective-line:#a2e4c0;--s0:#8ebef2;--s1:#f2a893;--s2:#50d184;--s3:#d8aae9;--s4:#e0b44f;--s5:#eea5c3;--s6:#53c9e7;--s7:#7acf52;--s8:#c1b1f4;--s9:#efa8a8;}
.sq-picture[data-theme="colour-blind"] svg {--paper:#ffffff;--page:#ffffff;--ink:#111111;--quiet:#595959;--faint:#dde0d9;--cell:#f4f7f0;--border:#6a7d59;--group:#e4ecd8;--macro:#d5e0c0;--layer:#f0e442;--tab:#d6c92e;--pointwise:#f2a48f;--delay:#ffffff;--input:#56b4e9;--output:#cc79a7;--target:#ffffff;--chip:#ffffff;--function:#a9a9b8;--buffer:#a9a9b8;--loss:#e69f00;--objective:#c4e4f7;--fault:#c22222;--s0:#0463c1;--s1:#ba3209;--s2:#06733d;--s3:#9b30be;--s4:#7e6003;--s5:#bd2163;--s6:#066d83;--s7:#38710f;--s8:#6c49d6;--s9:#c22222;}
.sq-picture[data-theme="print"] svg {--paper:none;--page:#ffffff;--ink:#000000;--quiet:#333333;--faint:#d0d0d0;--cell:#f4f4f4;--border:#555555;--group:#e6e6e6;--macro:#dcdcdc;--layer:#ffffff;--tab:#dddddd;--pointwise:#ffffff;--delay:#ffffff;--input:#ffffff;--output:#ffffff;--target:#ffffff;--chip:#ffffff;--function:#e2e2e2;--buffer:#e2e2e2;--loss:#ffffff;--objective:#ffffff;--fault:#000000;--s0:#000000;--s1:#000000;--s2:#000000;--s3:#000000;--s4:#000000;--s5:#000000;--s6:#000000;--s7:#000000;--s8:#000000;--s9:#000000;}
.sq-picture svg .page{fill:var(--paper)}
.sq-picture svg text{fill:var(--ink)}
.sq-picture svg :is(.caption,.legend) text{fill:var(--quiet)}
.sq-picture svg .layer :is(polygon,ellipse,path,polyline){fill:var(--layer);stroke:var(--lit,var(--layer-line,var(--ink)))}
.sq-picture svg .tab :is(polygon,ellipse,path,polyline){fill:var(--tab);stroke:var(--lit,var(--tab-line,var(--ink)))}
.sq-picture svg .pointwise :is(polygon,ellipse,path,polyline){fill:var(--pointwise);stroke:var(--lit,var(--pointwise-line,var(--ink)))}
.sq-picture svg .delay :is(polygon,ellipse,path,polyline){fill:var(--delay);stroke:var(--lit,var(--delay-line,var(--ink)))}
.sq-picture svg .input :is(polygon,ellipse,path,polyline){fill:var(--input);stroke:var(--lit,var(--input-line,var(--ink)))}
.sq-picture svg .output :is(polygon,ellipse,path,polyline){fill:var(--output);stroke:var(--lit,var(--output-line,var(--ink)))}
.sq-picture svg .target :is(polygon,ellipse,path,polyline){fill:var(--target);stroke:var(--lit,var(--target-line,var(--ink)))}
.sq-picture svg .chip :is(polygon,ellipse,path,polyline){fill:var(--chip);stroke:var(--lit,var(--chip-line,var(--ink)))}
.sq-picture svg .function :is(polygon,ellipse,path,polyline){fill:var(--function);stroke:var(--lit,var(--function-line,var(--ink)))}
.sq-picture svg .buffer :is(polygon,ellipse,path,polyline){fill:var(--buffer);stroke:var(--lit,var(--buffer-line,var(--ink)))}
.sq-picture svg .macro :is(polygon,ellipse,path,polyline){fill:var(--macro);stroke:var(--border)}
.sq-picture svg .loss :is(polygon,ellipse,path,polyline){fill:var(--loss);stroke:var(--lit,var(--loss-line,var(--ink)))}
.sq-picture svg .objective :is(polygon,ellipse,path,polyline){fill:var(--objective);stroke:var(--lit,var(--objective-line,var(--ink)))}
.sq-picture svg :is(.bars,.frame) :is(polygon,ellipse,path,polyline){fill:none;stroke:var(--ink)}
.sq-picture svg .bars :is(polygon,ellipse,path,polyline){stroke:var(--function-line,var(--ink))}
.sq-picture svg .edge path{stroke:var(--lit,var(--ink));fill:none}
.sq-picture svg .edge polygon{stroke:none;fill:var(--lit,var(--ink))}
.sq-picture svg .node.fault :is(polygon,ellipse,path,polyline){stroke:var(--fault)}
.sq-picture svg .edge.fault path{stroke:var(--fault)}
.sq-picture svg .edge.fault polygon{fill:var(--fault)}
.sq-picture svg .gap.on-page path{stroke:var(--page)}
.sq-picture svg .gap.on-cell path{stroke:var(--cell)}
.sq-picture svg .gap.on-group path{stroke:var(--group)}
.sq-picture svg .cell path{stroke:var(--border);fill:var(--cell)}
.sq-picture svg .group path{stroke:var(--border);fill:var(--group)}
.sq-picture svg .faint :is(polygon,ellipse,path,polyline){stroke:var(--faint);fill:var(--cell)}
.sq-picture svg .bars.faint polygon{fill:none}
.sq-picture svg .faint text{fill:var(--faint)}
.sq-picture svg .edge.faint path{fill:none}
.sq-picture svg .edge.faint polygon{fill:var(--faint)}
.sq-picture svg .gap.faint path{stroke:var(--cell)}
.sq-picture svg .s0 text{fill:var(--s0)}
.sq-picture svg .s1 text{fill:var(--s1)}
.sq-picture svg .s2 text{fill:var(--s2)}
.sq-picture svg .s3 text{fill:var(--s3)}
.sq-picture svg .s4 text{fill:var(--s4)}
.sq-picture svg .s5 text{fill:var(--s5)}
.sq-picture svg .s6 text{fill:var(--s6)}
.sq-picture svg .s7 text{fill:var(--s7)}
.sq-picture svg .s8 text{fill:var(--s8)}
.sq-picture svg .s9 text{fill:var(--s9)}
.sq-picture svg [data-value].sq-lit {--lit:var(--own);font-weight:700}
.sq-picture svg [data-lines].sq-lit {font-weight:700}
.sq-picture svg [data-lines].sq-lit :is(polygon,ellipse,path) {stroke-width:5}
`,""]),a.d(t,{},{A:o})},187(e,t,a){var s=a(601),i=a.n(s),r=a(314),o=(a.n(r))()(i());o.push([e.id,`/* The frame around picture and sheet; the picture's own styles are in picture.css, written from the board. */

.sq-view {
  padding: 4px 0;
  color: var(--jp-content-font-color1, #111);
}

.sq-switches {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px 16px;
  margin-bottom: 6px;
  font-family: var(--jp-ui-font-family, sans-serif);
  font-size: var(--jp-ui-font-size1, 13px);
}

.sq-switches fieldset {
  display: inline-flex;
  align-items: center;
  margin: 0;
  padding: 0;
  border: 0;
}

.sq-switches legend {
  float: left;
  margin-right: 6px;
  padding: 0;
  color: var(--jp-ui-font-color1, #333);
}

.sq-switches input {
  position: absolute;
  opacity: 0;
}

.sq-switches label > span {
  display: inline-block;
  padding: 1px 8px;
  border: 1px solid var(--jp-border-color1, #bbb);
  margin-left: -1px;
  cursor: pointer;
}

.sq-switches input:checked + span {
  background: var(--jp-ui-font-color1, #333);
  color: var(--jp-layout-color0, #fff);
}

.sq-switches input:focus-visible + span,
.sq-switches select:focus-visible {
  outline: 2px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px;
}

.sq-switches select {
  padding: 1px 4px;
  border: 1px solid var(--jp-border-color1, #bbb);
  background: var(--jp-layout-color0, #fff);
  color: inherit;
  font: inherit;
}

.sq-both {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 12px 24px;
}

/* As large as it was drawn; where there is no room for that beside the equations it shrinks while its letters can be
   read, and stands above them where it would have to shrink more. */
.sq-picture {
  flex: 1 1 calc(0.7 * var(--drawn, 600px));
  max-width: min(100%, var(--drawn, 600px));
}

.sq-equations {
  max-width: 100%;
  overflow-x: auto;
}

.sq-picture svg {
  display: block;
  max-width: 100%;
  height: auto;
}

.sq-view table.sq-sheet {
  margin: 0;
  border-collapse: collapse;
  table-layout: auto;
  font-size: var(--jp-content-font-size1, 14px);
}

.sq-view table.sq-sheet tr {
  background: transparent;
}

.sq-view table.sq-sheet td {
  max-width: none;
  padding: 3px 10px 3px 0;
  border: 0;
  color: inherit;
  text-align: left;
  vertical-align: middle;
  white-space: nowrap;
}

.sq-view table.sq-sheet.sq-two td {
  padding-right: 28px;
  vertical-align: top;
}

.sq-view table.sq-sheet.sq-two td:first-child {
  padding-right: 10px;
}

/* Room for what stands above and below letters. */
.sq-view table.sq-sheet td > div {
  padding: 2px 0;
}

.sq-head {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  gap: 2px 2.4em;
  margin-bottom: 6px;
}

.sq-foot {
  margin-top: 6px;
  color: var(--jp-content-font-color2, #595959);
  font-size: 90%;
}

.sq-view table.sq-sheet td:first-child {
  color: var(--jp-content-font-color2, #595959);
  text-align: right;
}

.sq-view table.sq-sheet code {
  padding: 0;
  background: transparent;
  color: inherit;
  font-family: var(--jp-code-font-family, monospace);
  font-size: var(--jp-code-font-size, 13px);
  white-space: pre;
}

.sq-view table.sq-sheet math {
  font-size: 1.15em;
}

/* Browsers that draw a page in tiles leave out what of a brace lies on other tiles than its middle, unless it has an
   outline. */
.sq-view math mo[stretchy='true'] {
  outline: 30em solid transparent;
}

.sq-view table.sq-sheet [data-value] {
  color: var(--own, inherit);
}

/* shapes: grey that can be read on either ground */
.sq-view table.sq-sheet math mrow[mathcolor]:not([data-value]) {
  color: var(--jp-content-font-color2, #595959);
}

.sq-view table.sq-sheet tr.sq-lit,
.sq-lit-line {
  background: color-mix(in srgb, var(--jp-brand-color1, #1976d2) 16%, transparent) !important;
}

.sq-view table.sq-sheet [data-value].sq-lit,
.sq-lit-state {
  border-radius: 2px;
  background: color-mix(in srgb, var(--jp-brand-color1, #1976d2) 28%, transparent);
  outline: 1px solid var(--jp-brand-color1, #1976d2);
}
`,""]),a.d(t,{},{A:o})},314(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var a="",s=void 0!==t[5];return t[4]&&(a+="@supports (".concat(t[4],") {")),t[2]&&(a+="@media ".concat(t[2]," {")),s&&(a+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),a+=e(t),s&&(a+="}"),t[2]&&(a+="}"),t[4]&&(a+="}"),a}).join("")},t.i=function(e,a,s,i,r){"string"==typeof e&&(e=[[null,e,void 0]]);var o={};if(s)for(var l=0;l<this.length;l++){var n=this[l][0];null!=n&&(o[n]=!0)}for(var f=0;f<e.length;f++){var p=[].concat(e[f]);s&&o[p[0]]||(void 0!==r&&(void 0===p[5]||(p[1]="@layer".concat(p[5].length>0?" ".concat(p[5]):""," {").concat(p[1],"}")),p[5]=r),a&&(p[2]&&(p[1]="@media ".concat(p[2]," {").concat(p[1],"}")),p[2]=a),i&&(p[4]?(p[1]="@supports (".concat(p[4],") {").concat(p[1],"}"),p[4]=i):p[4]="".concat(i)),t.push(p))}},t}},601(e){e.exports=function(e){return e[1]}},72(e){var t=[];function a(e){for(var a=-1,s=0;s<t.length;s++)if(t[s].identifier===e){a=s;break}return a}function s(e,s){for(var i={},r=[],o=0;o<e.length;o++){var l=e[o],n=s.base?l[0]+s.base:l[0],f=i[n]||0,p="".concat(n," ").concat(f);i[n]=f+1;var c=a(p),d={css:l[1],media:l[2],sourceMap:l[3],supports:l[4],layer:l[5]};if(-1!==c)t[c].references++,t[c].updater(d);else{var u=function(e,t){var a=t.domAPI(t);return a.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&a.update(e=t):a.remove()}}(d,s);s.byIndex=o,t.splice(o,0,{identifier:p,updater:u,references:1})}r.push(p)}return r}e.exports=function(e,i){var r=s(e=e||[],i=i||{});return function(e){e=e||[];for(var o=0;o<r.length;o++){var l=a(r[o]);t[l].references--}for(var n=s(e,i),f=0;f<r.length;f++){var p=a(r[f]);0===t[p].references&&(t[p].updater(),t.splice(p,1))}r=n}}},659(e){var t={};e.exports=function(e,a){var s=function(e){if(void 0===t[e]){var a=document.querySelector(e);if(window.HTMLIFrameElement&&a instanceof window.HTMLIFrameElement)try{a=a.contentDocument.head}catch(e){a=null}t[e]=a}return t[e]}(e);if(!s)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");s.appendChild(a)}},540(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},56(e,t,a){e.exports=function(e){var t=a.nc;t&&e.setAttribute("nonce",t)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(a){var s,i,r;s="",a.supports&&(s+="@supports (".concat(a.supports,") {")),a.media&&(s+="@media ".concat(a.media," {")),(i=void 0!==a.layer)&&(s+="@layer".concat(a.layer.length>0?" ".concat(a.layer):""," {")),s+=a.css,i&&(s+="}"),a.media&&(s+="}"),a.supports&&(s+="}"),(r=a.sourceMap)&&"u">typeof btoa&&(s+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(r))))," */")),e.styleTagTransform(s,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}},959(e,t,a){var s=a(72),i=a.n(s),r=a(825),o=a.n(r),l=a(659),n=a.n(l),f=a(56),p=a.n(f),c=a(540),d=a.n(c),u=a(113),v=a.n(u),b=a(646),g={};g.styleTagTransform=v(),g.setAttributes=p(),g.insert=n().bind(null,"head"),g.domAPI=o(),g.insertStyleElement=d(),i()(b.A,g),b.A&&b.A.locals&&b.A.locals}}]);