// Typesets formulas with KaTeX and MathJax 3: a JSON object of name -> LaTeX on standard input, what fails on standard
// output, a line each. Ends with 1 if anything does. MathJax has the packages that JupyterLab gives it.
import katex from "katex";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { mathjax } = require("mathjax-full/js/mathjax.js");
const { TeX } = require("mathjax-full/js/input/tex.js");
const { CHTML } = require("mathjax-full/js/output/chtml.js");
const { liteAdaptor } = require("mathjax-full/js/adaptors/liteAdaptor.js");
const { RegisterHTMLHandler } = require("mathjax-full/js/handlers/html.js");
const { AllPackages } = require("mathjax-full/js/input/tex/AllPackages.js");

const adaptor = liteAdaptor();
RegisterHTMLHandler(adaptor);
const packages = AllPackages.filter((name) => name !== "noundefined" && name !== "noerrors");
const html = mathjax.document("", {
  InputJax: new TeX({
    packages,
    formatError: (_, error) => {
      throw error;
    },
  }),
  OutputJax: new CHTML({ fontURL: "" }),
});

const failed = [];
const forms = Object.entries(JSON.parse(readFileSync(0, "utf8")));
for (const [name, latex] of forms) {
  const typesetters = {
    KaTeX: () => katex.renderToString(latex, { displayMode: true, throwOnError: true, strict: "error" }),
    MathJax: () => {
      const found = adaptor.outerHTML(html.convert(latex, { display: true }));
      if (/merror|mjx-merror/.test(found)) throw new Error("an error is shown");
    },
  };
  for (const [typesetter, typeset] of Object.entries(typesetters)) {
    try {
      typeset();
    } catch (error) {
      failed.push(`${typesetter}: ${name}: ${error.message}\n${latex}`);
    }
  }
}
console.log(failed.length ? failed.join("\n\n") : `${forms.length} formulas are typeset by KaTeX and MathJax`);
process.exit(failed.length ? 1 : 0);
